/** How a repository is made where a push makes none. Pure. */
import type { Repository } from "../domain/Reference.ts"

export const howToCreate = ({ path, registry }: Repository): string => {
  const region = /^[0-9]+\.dkr\.ecr(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?$/u.exec(registry)?.[1]
  if (region !== undefined) {
    return `create the repository first: aws ecr create-repository --repository-name ${path} --region ${region}`
  }
  if (registry === "public.ecr.aws") {
    // What comes before the first slash is the registry's alias.
    const name = path.slice(path.indexOf("/") + 1)
    return `create the repository first: aws ecr-public create-repository --repository-name ${name} --region us-east-1`
  }
  return `create the repository ${path} first`
}
