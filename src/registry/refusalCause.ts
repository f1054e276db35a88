/**
 * The causes of refusals that a status and an error code do not tell. The distribution specification has no code for a quota, an
 * immutable tag or a policy: registries answer 400, 403 or 412 with DENIED, and only their words differ. Pure.
 */

/** Causes that no credential mends. The tag is the reason of the Image's condition. */
export type RefusalCause = "QuotaExceeded" | "TagImmutable" | "BlockedByRegistry"

const CAUSES: ReadonlyArray<string> = [
  "QuotaExceeded",
  "TagImmutable",
  "BlockedByRegistry"
] satisfies ReadonlyArray<RefusalCause>

/** Whether the tag of an error's reason is such a cause. Then the form of the request is not the cause. */
export const isRefusalCause = (tag: string): tag is RefusalCause => CAUSES.includes(tag)

/** The words of registries, each with its source. */
const WORDS: ReadonlyArray<readonly [RegExp, RefusalCause]> = [
  // Harbor, src/pkg/quota: "adding 29.0 MiB of storage resource, which when updated to current usage of 8.3 MiB will exceed the
  // configured upper limit of 10.0 MiB."
  [/will exceed the configured upper limit of/iu, "QuotaExceeded"],
  // Quay, endpoints/v2/errors.py: "Quota has been exceeded on namespace". Google's "Quota exceeded for quota metric 'Requests per
  // project per region per minute'" is a rate limit.
  [/quota (?:has been )?exceeded(?! for quota metric)/iu, "QuotaExceeded"],
  // Harbor, src/server/middleware/immutable/error.go: "Failed to process request due to 'app:1.0' configured as immutable."
  [/configured as immutable/iu, "TagImmutable"],
  // ECR: "The image tag '1.0' already exists in the 'app' repository and cannot be overwritten because the repository is
  // immutable." https://github.com/moby/buildkit/issues/3776
  [/cannot be overwritten because the (?:repository|tag) is immutable/iu, "TagImmutable"],
  // Artifactory: "Not enough permissions to overwrite artifact 'x' (user 'me' needs DELETE permission)."
  [/not enough permissions to overwrite artifact/iu, "TagImmutable"],
  // Nexus: "Repository does not allow updating assets: docker-hosted".
  // https://github.com/GoogleContainerTools/jib/issues/3057
  [/repository does not allow updating assets/iu, "TagImmutable"],
  // Harbor's code for an image with vulnerabilities or without a signature, src/lib/errors/const.go.
  [/\bPROJECTPOLICYVIOLATION\b/u, "BlockedByRegistry"],
  // Harbor, src/server/middleware/readonly: "The system is in read only mode. Any modification is prohibited."
  [/the system is in read only mode/iu, "BlockedByRegistry"],
  // ACR: "The operation is disallowed on this registry, repository or image." A lock, or the storage limit.
  [/the operation is disallowed on this registry, repository or image/iu, "BlockedByRegistry"]
]

/** The cause that a registry's words name. */
export const causeInWords = (words: string): RefusalCause | undefined =>
  WORDS.find(([pattern]) => pattern.test(words))?.[1]

/** The cause of a status. No request has a condition, so 412 is a rule of the registry. 451: RFC 7725. 507: RFC 4918. */
export const causeOfStatus = (status: number): RefusalCause | undefined => {
  if (status === 412 || status === 451) return "BlockedByRegistry"
  return status === 507 ? "QuotaExceeded" : undefined
}

/** What a user can do, after the registry's words. */
export const REMEDIES: Readonly<Record<RefusalCause, string>> = {
  QuotaExceeded:
    "the registry has no room: delete images there, or raise its quota or storage; the credentials are not the cause",
  TagImmutable:
    "the registry does not let the tag be overwritten: delete the tag there, exempt the tag from the rule, or permit the user to overwrite",
  BlockedByRegistry:
    "a rule of the registry blocks this: ask its owner, or leave the tag out by spec.tags.exclude; the credentials are not the cause"
}
