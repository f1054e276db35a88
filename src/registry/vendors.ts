/** Rules for the registries of single vendors. The vendors' limits are in limits/. Pure. */
import type { Repository } from "../oci/Reference.ts"

/** Whether a registry counts pulls. Docker Hub says so only in an answer, so the rule must be known before. */
export const isMetered = (registry: string): boolean => registry === "docker.io"

/**
 * The token servers of public registries that have another registered domain than their registry. The other public
 * registries name a token server at their own host or registered domain: docker.io (auth.docker.io), registry.gitlab.com
 * (gitlab.com), ghcr.io, quay.io, gcr.io, pkg.dev, public.ecr.aws, nvcr.io, cgr.dev, dhi.io, azurecr.io.
 */
const TOKEN_SERVERS: ReadonlyArray<readonly [registry: RegExp, server: string]> = [
  // A front for images on GHCR, whose challenge it passes on: https://github.com/getwud/wud/issues/143
  [/^lscr\.io$/u, "ghcr.io"],
  // Red Hat's own documents request tokens at sso.redhat.com. Since 2023 the challenge names registry.redhat.io itself.
  [/^registry\.redhat\.io$/u, "sso.redhat.com"],
  // The challenge of Scaleway's registries: https://api.scaleway.com/registry-internal/v1/regions/REGION/tokens
  [/^rg\.[a-z]{2}-[a-z]{3}\.scw\.cloud$/u, "api.scaleway.com"]
]

/** Whether a host is the token server of a public registry that names one at another domain. */
export const isTokenServerOf = (registry: string, host: string): boolean =>
  TOKEN_SERVERS.some(([pattern, server]) => server === host && pattern.test(registry))

/** A host of a private registry of Amazon ECR. */
export interface EcrHost {
  readonly region: string
  readonly isFips: boolean
  /** Whether the host has IPv4 and IPv6 addresses. Such a host and its API have another domain. */
  readonly isDualStack: boolean
}

const HOST =
  /^[0-9]{12}\.dkr(?<joint>[.-])ecr(?<fips>-fips)?\.(?<region>[a-z]{2,}(?:-[a-z]+)+-[0-9]+)\.(?<domain>[a-z.]+)$/u

/**
 * Parses the host of an ECR registry. Only AWS's own hosts match, because credentials are sent to them. The region
 * must look like a region: any AWS customer can name a host below `s3.amazonaws.com`.
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

/** How a user creates a repository in a registry that does not create one at a push. */
export const howToCreate = ({ path, registry }: Repository): string => {
  const ecr = parseEcrHost(registry)
  if (ecr !== undefined) {
    return `create the repository first: aws ecr create-repository --repository-name ${path} --region ${ecr.region}`
  }
  if (registry === "public.ecr.aws") {
    // The part before the first slash is the registry's alias.
    const name = path.slice(path.indexOf("/") + 1)
    return `create the repository first: aws ecr-public create-repository --repository-name ${name} --region us-east-1`
  }
  return `create the repository ${path} first`
}
