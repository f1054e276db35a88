/** Copies one image from one repository to another, without an Image and without an engine. */
import { Clock, Effect, Option, Result, Schedule, Schema } from "effect"
import { accessTo } from "../credentials/access.ts"
import { type CredentialError, Credentials } from "../credentials/Credentials.ts"
import { CONFIGURED, type RegistrySide } from "../domain/Credential.ts"
import type { CopyProgress } from "../domain/Copy.ts"
import { formatProblem } from "../domain/Problem.ts"
import { parsePlatform, type Platform } from "../oci/Platform.ts"
import { formatReference, parseReference, type Reference } from "../oci/Reference.ts"
import { RegistryClient, type RepositoryAccess } from "../registry/RegistryClient.ts"
import { onSide, RegistryError } from "../registry/RegistryError.ts"
import { BlobPlacement } from "./BlobPlacement.ts"
import { copyImage, copyNewReferrers } from "./copyImage.ts"
import type { CopyTools } from "./ImageContent.ts"
import { subsetAt } from "./PlatformSubset.ts"

/** The options of {@link copy}. */
export interface CopyOptions {
  /** The platforms to copy, as `os/architecture[/variant]`, such as `linux/amd64`. Default: all. */
  readonly platforms?: ReadonlyArray<Platform | string>
  /** Whether the image's referrers (signatures, SBOMs, attestations) are copied before the tag. Default false. */
  readonly referrers?: boolean
  /**
   * Whether the certificate of each registry is verified. `false` accepts any certificate, and plain HTTP from a registry
   * without TLS. Default: the rule of {@link Credentials}.
   */
  readonly tlsVerify?: Partial<Readonly<Record<RegistrySide, boolean>>>
  /** Called when more bytes have arrived at the destination. It must not block. */
  readonly onProgress?: (progress: CopyProgress) => void
}

/** The result of {@link copy}. */
export interface CopyResult {
  /** `copied`: the tag was written. `present`: the destination had the image under the tag, and nothing was sent. */
  readonly action: "copied" | "present"
  /** The source with the digest that was copied. */
  readonly source: Reference
  /** The written tag, with the digest that it names now. */
  readonly destination: Reference
  /** The digest of the destination's tag, `sha256:…`. It is the source's digest, unless platforms were left out. */
  readonly digest: string
  /** The bytes of distinct blobs and manifests that the copy placed: sent, mounted, or there before. 0 if `present`. */
  readonly bytes: number
  /** The bytes of these that were sent over the network. */
  readonly bytesSent: number
  /** How long the copy took, in seconds of the Clock. */
  readonly seconds: number
}

/** An argument of {@link copy} is not valid. The message names the argument, its value and the remedy. */
export class InvalidCopy extends Schema.TaggedError<InvalidCopy>()("InvalidCopy", {
  argument: Schema.Literals(["source", "destination", "platforms"]),
  value: Schema.String,
  /** The mistake and the remedy, to be read after the value. */
  detail: Schema.String
}) {
  override get message(): string {
    return formatProblem({ field: this.argument, value: this.value, message: this.detail })
  }
}

/**
 * Why a copy fails:
 * - `InvalidCopy`: an argument is not valid; no request was sent
 * - `CredentialError`: a credential of one side cannot be used
 * - `RegistryError`: a request failed; `side` names the registry, and `until` the time of the next request after a rate limit
 */
export type CopyError = InvalidCopy | CredentialError | RegistryError

/** The tag of a source that names neither a tag nor a digest. */
const LATEST = "latest"

/** The pauses before another attempt, as crane makes them. */
const PAUSES = Schedule.exponential("1 second", 3)

/** Whether another attempt within seconds may succeed. A host that cannot be connected to is more likely a wrong name. */
const isTransient = ({ reason }: RegistryError): boolean => {
  switch (reason._tag) {
    case "Unreachable":
      return reason.unconnected !== true
    case "ServerError":
      return reason.until === undefined
    case "UploadLost":
      return true
    case "AuthenticationFailed":
    case "CredentialsNotSent":
    case "NotFound":
    case "RateLimited":
    case "NotARegistry":
    case "InvalidAnswer":
    case "DigestMismatch":
    case "DestinationRepositoryMissing":
    case "QuotaExceeded":
    case "TagImmutable":
    case "BlockedByRegistry":
    case "PushRefused":
    case "PlatformMissing":
    case "UnsupportedManifest":
      return false
  }
}

/**
 * Copies an image from one repository to another, whichever registries they are in. Afterwards the destination has the same
 * bytes under the same digests. The tag is written last: after a failure or an interrupt the tag is as before.
 *
 * A reference is a text such as `quay.io/argoproj/argocd:v2.13.0`, or a parsed {@link Reference}. The source may have a digest
 * instead of a tag, and is `latest` without either. The destination's tag is the source's, unless it names one.
 *
 * **Gotchas**
 *
 * - A tag that names the image already is not written again: the result is `present`, after two small requests.
 * - `platforms` makes another index, with another digest. A signature of the whole index does not fit that digest.
 * - A rate limit fails the copy with a `RegistryError` whose `until` is the time of the next request.
 * - Copies of many tags belong in one `sync`, which shares blobs and keeps the limits of registries.
 *
 * @example
 * ```ts
 * import { NodeRuntime } from "@effect/platform-node"
 * import { Console, Effect, Layer } from "effect"
 * import { copy, Credentials, RegistryClientHttp } from "skopeo-operator"
 *
 * copy("quay.io/argoproj/argocd:v2.13.0", "registry.corp/argoproj/argocd").pipe(
 *   Effect.flatMap(({ action, digest }) => Console.log(action, digest)),
 *   Effect.provide(Layer.merge(RegistryClientHttp.layer(), Credentials.layerAnonymous)),
 *   NodeRuntime.runMain
 * )
 * ```
 */
export const copy = Effect.fn("copy")(function* (
  source: string | Reference,
  destination: string | Reference,
  options: CopyOptions = {}
): Effect.fn.Return<CopyResult, CopyError, RegistryClient | Credentials> {
  const from = yield* referenceOf("source", source)
  const to = yield* referenceOf("destination", destination)
  const tag = yield* tagOf(from, to)
  const platforms = yield* Effect.forEach(options.platforms ?? [], platformOf)
  const target: Reference = { repository: to.repository, tag }
  yield* Effect.annotateCurrentSpan({ source: formatReference(from), destination: formatReference(target) })

  const client = yield* RegistryClient
  const tools: CopyTools = { client, blobs: yield* BlobPlacement.make }
  const started = yield* Clock.currentTimeMillis
  const ends = {
    source: yield* accessOn("source", from, options),
    destination: yield* accessOn("destination", target, options)
  }

  const copyWhole = Effect.fnUntraced(function* (digest: string) {
    let last = { done: 0, sent: 0 }
    const { onProgress, referrers = false } = options
    yield* copyImage(tools, {
      ...ends,
      digest,
      tag,
      platforms,
      referrers,
      onProgress: (progress) => {
        last = progress
        onProgress?.(progress)
      }
    })
    return last
  })
  const copyReferrers = (digest: string) =>
    options.referrers === true
      ? Effect.map(copyNewReferrers(tools, { ...ends, digest, platforms }), (sent) => ({ done: sent, sent }))
      : Effect.succeed({ done: 0, sent: 0 })

  const attempt = Effect.gen(function* () {
    const digest = from.digest ?? (yield* onSide("source")(digestAt(ends.source, from.tag ?? LATEST)))
    const desired =
      platforms.length === 0
        ? digest
        : (yield* onSide("source")(subsetAt(ends.source, digest, platforms, "choose other platforms"))).digest
    const actual = Option.getOrUndefined(yield* onSide("destination")(client.head(ends.destination, tag)))
    const isPresent = actual?.digest === desired
    const { done, sent } = yield* isPresent ? copyReferrers(digest) : copyWhole(digest)
    const result: Omit<CopyResult, "seconds"> = {
      action: isPresent && sent === 0 ? "present" : "copied",
      source: { ...from, digest },
      destination: { ...target, digest: desired },
      digest: desired,
      bytes: done,
      bytesSent: sent
    }
    return result
    // Only a copy for an Image has an owner of companion tags.
  }).pipe(Effect.catchTag("CompanionClaimed", Effect.die))

  const result = yield* Effect.retry(attempt, { schedule: PAUSES, times: 2, while: isTransient })
  const ended = yield* Clock.currentTimeMillis
  return { ...result, seconds: (ended - started) / 1_000 }
})

const referenceOf = (argument: RegistrySide, reference: string | Reference): Effect.Effect<Reference, InvalidCopy> => {
  const text = typeof reference === "string" ? reference : formatReference(reference)
  return Effect.fromResult(
    Result.mapError(parseReference(text), (detail) => new InvalidCopy({ argument, value: text, detail }))
  )
}

/** The tag to write. */
const tagOf = (from: Reference, to: Reference): Effect.Effect<string, InvalidCopy> => {
  const invalid = (detail: string) =>
    Effect.fail(new InvalidCopy({ argument: "destination", value: formatReference(to), detail }))
  if (to.digest !== undefined)
    return invalid("has a digest; write only the tag, because the copy has the source's digest")
  const tag = to.tag ?? from.tag ?? (from.digest === undefined ? LATEST : undefined)
  return tag === undefined
    ? invalid(
        `names no tag, and the source is a digest; write the tag, such as ${formatReference({ ...to, tag: LATEST })}`
      )
    : Effect.succeed(tag)
}

const platformOf = (platform: Platform | string): Effect.Effect<Platform, InvalidCopy> =>
  typeof platform === "string"
    ? Effect.fromResult(
        Result.mapError(
          parsePlatform(platform),
          (detail) => new InvalidCopy({ argument: "platforms", value: platform, detail })
        )
      )
    : Effect.succeed(platform)

const accessOn = Effect.fnUntraced(function* (
  side: RegistrySide,
  { repository }: Reference,
  { tlsVerify }: CopyOptions
): Effect.fn.Return<RepositoryAccess, CredentialError, Credentials> {
  const credentials = yield* Credentials
  const request = { side, repository, namespace: "", choice: CONFIGURED }
  return yield* accessTo(credentials, request, tlsVerify?.[side])
})

const digestAt = Effect.fnUntraced(function* (
  access: RepositoryAccess,
  tag: string
): Effect.fn.Return<string, RegistryError, RegistryClient> {
  const client = yield* RegistryClient
  const found = Option.getOrUndefined(yield* client.head(access, tag))
  if (found !== undefined) return found.digest
  return yield* RegistryError.of(
    "NotFound",
    access.repository,
    `has no tag ${tag}, or may not be read without credentials; correct the name, or log in to the registry`
  )
})
