/** How a repository is made where a push makes none. Pure. */
import type { Repository } from "../oci/Reference.ts"
import { parseEcrHost } from "./EcrHost.ts"

export const howToCreate = ({ path, registry }: Repository): string => {
  const ecr = parseEcrHost(registry)
  if (ecr !== undefined) {
    return `create the repository first: aws ecr create-repository --repository-name ${path} --region ${ecr.region}`
  }
  if (registry === "public.ecr.aws") {
    // What comes before the first slash is the registry's alias.
    const name = path.slice(path.indexOf("/") + 1)
    return `create the repository first: aws ecr-public create-repository --repository-name ${name} --region us-east-1`
  }
  return `create the repository ${path} first`
}
