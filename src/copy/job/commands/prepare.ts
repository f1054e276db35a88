/** Prepares a Job: fetches its credentials and its parts, reserves its pulls, and looks whether a copy is still needed. */
import { Effect, Option, Result, type Scope } from "effect"
import { accessOf } from "../../../credentials/access.ts"
import { type CredentialError, Credentials } from "../../../credentials/Credentials.ts"
import { Policy, type PolicyRefused } from "../../../credentials/Policy.ts"
import type { CopyTask } from "../../../domain/Copy.ts"
import type { Reason } from "../../../domain/Reason.ts"
import { type Descriptor, INDEX_TYPES, type Manifest, partsOf } from "../../../oci/Manifest.ts"
import { RegistryLimits, RequestedFor } from "../../../registry/limits/RegistryLimits.ts"
import { RegistryClient, type RepositoryAccess } from "../../../registry/RegistryClient.ts"
import { RegistryError } from "../../../registry/RegistryError.ts"
import { subsetAt } from "../../PlatformSubset.ts"
import { reasonOf } from "../../reasonOf.ts"
import { describeJob, isSubset } from "../Job.ts"
import { type CommandOf, Event } from "../JobEvents.ts"
import { whyNotByDigest, whyNotCopied } from "../skopeoRefusal.ts"
import { answering, inTime } from "./answering.ts"
import { delegated } from "./delegated.ts"

/** The approximate size of a manifest's entry in an index. */
const ENTRY_BYTES = 400

type PrepareError = CredentialError | PolicyRefused | RegistryError

const whyNotPrepared = (error: PrepareError): Reason =>
  error._tag === "RegistryError" ? reasonOf(error, "source") : error.reason

/** The number of manifests that Skopeo reads to copy an image. The size of an index tells the approximate number of entries. */
const pullsOf = ({ platforms }: CopyTask, found: Descriptor | undefined): number => {
  if (platforms.length > 0) return 1 + platforms.length
  const isIndex = found === undefined || INDEX_TYPES.has(found.mediaType)
  return isIndex ? 1 + Math.max(1, Math.ceil((found?.size ?? 0) / ENTRY_BYTES)) : 1
}

/** Answers `Prepare`. The pulls are reserved for as long as the scope of the answer. */
export const makePrepare = Effect.fnUntraced(function* (
  namespace: string
): Effect.fn.Return<
  (command: CommandOf<"Prepare">) => Effect.Effect<Event, never, Scope.Scope>,
  never,
  RegistryClient | RegistryLimits | Credentials | Policy
> {
  const registry = yield* RegistryClient
  const registryLimits = yield* RegistryLimits
  const services = { credentials: yield* Credentials, policy: yield* Policy }

  /**
   * The manifest that a Job copies. `undefined` if it is not read: a read may cost one of the source's pulls, and the Job reports
   * any failure of the source.
   */
  const rootOf = Effect.fnUntraced(
    function* (task: CopyTask, source: RepositoryAccess, isMetered: boolean) {
      if (isSubset(task)) return yield* subsetAt(source, task.digest, task.platforms)
      if (isMetered || whyNotByDigest(task.digest) !== undefined) return undefined
      return yield* registry.manifest(source, task.digest).pipe(
        Effect.catchIf(
          ({ isRateLimited }) => !isRateLimited,
          () => Effect.succeed(undefined)
        )
      )
    },
    Effect.provideService(RegistryClient, registry)
  )

  /** The digests that a Job copies one by one. Empty if the Job copies the image as a whole. */
  const partsIn = (root: Manifest): ReadonlyArray<string> => {
    const parts = Option.getOrUndefined(partsOf(root))
    return parts?._tag === "Index" ? [...new Set(parts.children.map(({ digest }) => digest))] : []
  }

  /** Reserves the pulls of a Job in the rate limit of its source. The requests of Skopeo do not pass this process. */
  const reserve = Effect.fnUntraced(function* (task: CopyTask, source: RepositoryAccess, isMetered: boolean) {
    if (!isMetered) return
    // A HEAD request costs no pull, and its response has the remaining pulls.
    const found = yield* registry.head(source, task.digest).pipe(
      Effect.map(Option.getOrUndefined),
      Effect.catchIf(
        ({ isRateLimited }) => !isRateLimited,
        // The Job will report any other failure.
        () => Effect.succeed(undefined)
      )
    )
    yield* registryLimits.reserve(source, pullsOf(task, found))
  })

  return ({ id, name, task }) =>
    answering(
      inTime(
        task.source.repository,
        Effect.gen(function* () {
          const access = yield* delegated(registry, yield* accessOf(services, task))
          const { metered } = yield* registryLimits.allowance(access.source)
          const reserved = yield* Effect.result(reserve(task, access.source, metered))
          if (Result.isFailure(reserved)) {
            const { message, until } = reserved.failure
            return Event.Limited({ name, id, message, until })
          }
          const root = yield* rootOf(task, access.source, metered)
          const why = root === undefined ? whyNotByDigest(task.digest) : whyNotCopied(root)
          if (why !== undefined) {
            return yield* RegistryError.of("UnsupportedManifest", task.source.repository, `${task.digest}: ${why}`)
          }
          const parts = root === undefined || !isSubset(task) ? [] : partsIn(root)
          // Skopeo overwrites a tag that was pushed after the check.
          const found = task.onlyIfMissing ? yield* registry.head(access.destination, task.tag) : Option.none()
          return Option.match(found, {
            onNone: (): Event => Event.Prepared({ name, id, prepared: { access, parts } }),
            onSome: ({ digest }) => Event.NotNeeded({ name, id, digest })
          })
        })
      ),
      (why, error: PrepareError | undefined) =>
        Event.NotPrepared({
          name,
          id,
          reason: error === undefined ? "CopyFailed" : whyNotPrepared(error),
          message: `${describeJob(namespace, task, name)} could not be created: ${why}`,
          until: error?._tag === "RegistryError" ? error.until : undefined
        })
    ).pipe(Effect.provideService(RequestedFor, task.image.namespace))
})
