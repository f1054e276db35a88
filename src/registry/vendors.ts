/** What is special about the registries of some vendors, beside their limits. Pure. */
import type { Repository } from "../oci/Reference.ts"

/** Docker Hub counts pulls, and says so only once it has been asked for something. */
export const isMetered = (registry: string): boolean => registry === "docker.io"

/** A host of Amazon ECR's private registries. */
export interface EcrHost {
  readonly region: string
  readonly isFips: boolean
  /** By IPv6 too: such a host has another domain, and its API as well. */
  readonly isDualStack: boolean
}

const HOST =
  /^[0-9]{12}\.dkr(?<joint>[.-])ecr(?<fips>-fips)?\.(?<region>[a-z]{2,}(?:-[a-z]+)+-[0-9]+)\.(?<domain>[a-z.]+)$/u

/**
 * Only AWS's own hosts, for credentials go there. What stands where a region does must look like one: `s3.amazonaws.com`
 * has hosts that anyone may name.
 */
export const parseEcrHost = (registry: string): EcrHost | undefined => {
  const { domain, fips, joint, region } = HOST.exec(registry)?.groups ?? {}
  if (region === undefined) return undefined
  const isDualStack = joint === "-"
  return domain === domainOf(region, isDualStack) ? { region, isFips: fips !== undefined, isDualStack } : undefined
}

const domainOf = (region: string, isDualStack: boolean): string => {
  const isChinese = region.startsWith("cn-")
  if (isDualStack) return isChinese ? "on.amazonwebservices.com.cn" : "on.aws"
  return isChinese ? "amazonaws.com.cn" : "amazonaws.com"
}

/** How a repository is made where a push makes none. */
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
