/** `copy`: copies one image from registry to registry. */
import { Clock, Console, Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { copy, type CopyOptions, type CopyResult, type InvalidCopy } from "../copy/copy.ts"
import type { CredentialError } from "../credentials/Credentials.ts"
import { type Backoff, pauseAfter, retryAt } from "../domain/backoff.ts"
import type { CopyProgress } from "../domain/Copy.ts"
import type { RegistrySide } from "../domain/Credential.ts"
import { formatProblem } from "../domain/Problem.ts"
import { formatReference } from "../oci/Reference.ts"
import type { RegistryError } from "../registry/RegistryError.ts"
import { instant } from "../text/instant.ts"
import { CommandFailure } from "./CommandFailure.ts"
import { BAD_USAGE, FAILED } from "./exitCodes.ts"
import { formatDocument } from "./output.ts"
import { rateLimitFlags, rateLimitRemedy } from "./rateLimit.ts"
import { showCopyProgress } from "./copyProgress.ts"
import { formatBytes } from "./amounts.ts"
import { textFlag } from "./textFlag.ts"

const tlsFlag = (name: string, registries: string) =>
  Flag.Boolean(name).pipe(
    Flag.withDescription(`false accepts any certificate of ${registries}, and plain HTTP from a registry without TLS`),
    Flag.optional
  )

const flags = {
  source: Argument.String("SOURCE").pipe(
    Argument.withDescription("The image: a repository with a tag, a digest, or neither for the tag latest")
  ),
  destination: Argument.String("DESTINATION").pipe(
    Argument.withDescription("The repository to copy to, with a tag or with the source's tag")
  ),
  platforms: textFlag("platform").pipe(
    Flag.withMetavar("PLATFORMS"),
    Flag.withDescription("Copies only these platforms, such as linux/amd64,linux/arm64. May be repeated. Default: all"),
    Flag.atLeast(1),
    Flag.withDefault<ReadonlyArray<string>>([])
  ),
  referrers: Flag.Boolean("referrers").pipe(
    Flag.withDescription("Copies signatures, SBOMs and attestations too"),
    Flag.withDefault(false)
  ),
  tlsVerify: tlsFlag("tls-verify", "both registries"),
  sourceTlsVerify: tlsFlag("src-tls-verify", "the source"),
  destinationTlsVerify: tlsFlag("dest-tls-verify", "the destination"),
  ...rateLimitFlags,
  output: Flag.Literals("output", ["text", "json", "yaml"]).pipe(
    Flag.withAlias("o"),
    Flag.withDescription("One line, or one JSON or YAML document"),
    Flag.withDefault("text" as const)
  )
}

type Given = Command.Command.Config.Infer<typeof flags>

/** The TLS settings of the flags. The flag of a side comes before the flag of both. */
const tlsVerifyOf = (given: Given): NonNullable<CopyOptions["tlsVerify"]> => {
  const of = (side: RegistrySide, own: Option.Option<boolean>): Partial<Record<RegistrySide, boolean>> =>
    Option.match(
      Option.orElse(own, () => given.tlsVerify),
      {
        onNone: () => ({}),
        onSome: (verifies) => ({ [side]: verifies })
      }
    )
  return { ...of("source", given.sourceTlsVerify), ...of("destination", given.destinationTlsVerify) }
}

/** The document of `--output json` and `--output yaml`. */
const documentOf = ({ destination, source, ...rest }: CopyResult) => ({
  source: formatReference(source),
  destination: formatReference(destination),
  ...rest
})

const sentenceOf = ({ action, bytes, bytesSent, destination, seconds }: CopyResult): string => {
  const image = formatReference(destination)
  if (action === "present") return `already there: ${image}`
  const sent = bytesSent < bytes ? ` (${formatBytes(bytesSent)} sent)` : ""
  return `copied ${formatBytes(bytes)}${sent} to ${image} in ${seconds.toFixed(1)} s`
}

const textOf = (result: CopyResult, output: Given["output"]): string => {
  switch (output) {
    case "text":
      return sentenceOf(result)
    case "json":
    case "yaml":
      return formatDocument(documentOf(result), output)
  }
}

/** The arguments as the help names them. */
const ARGUMENTS = { source: "SOURCE", destination: "DESTINATION", platforms: "--platform" } as const

const badUsage = ({ argument, detail, value }: InvalidCopy): CommandFailure =>
  new CommandFailure({
    exitCode: BAD_USAGE,
    detail: formatProblem({ field: ARGUMENTS[argument], value, message: detail })
  })

/** The pauses after refusals without a time, in milliseconds. */
const PAUSES: Backoff = { baseMillis: 10_000, maximumMillis: 900_000 }

/** The time of the next request, rounded up to whole seconds. */
const instantOf = (until: number): string => instant(Math.ceil(until / 1_000) * 1_000)

/** Waits for the end of the rate limit that has ended a copy. `refusals` counts these ends. */
const rateLimitEnds = Effect.fnUntraced(function* (error: RegistryError, refusals: number) {
  const now = yield* Clock.currentTimeMillis
  const next = error.until === undefined ? now + pauseAfter(PAUSES, refusals) : retryAt(now, error.until, 0)
  const facts = { error: `until ${instantOf(next)}: ${error.message}` }
  yield* Effect.annotateLogs(Effect.logInfo("waiting for a rate limit"), facts)
  yield* Effect.sleep(next - now)
})

/** Runs a copy again each time that a rate limit has ended it, once the limit allows. `onWait` is called at the start of each wait. */
const waitingForRateLimits = Effect.fnUntraced(function* (copying: ReturnType<typeof copy>, onWait: () => void) {
  let refusals = 0
  return yield* Effect.retry(copying, {
    while: (error) => {
      if (error._tag !== "RegistryError" || !error.isRateLimited) return Effect.succeed(false)
      onWait()
      return Effect.as(rateLimitEnds(error, (refusals += 1)), true)
    }
  })
})

/** Copies while the progress is shown. */
const copying = Effect.fnUntraced(function* (given: Given) {
  let latest: CopyProgress | undefined
  yield* Effect.forkScoped(showCopyProgress(given.source, () => latest))
  const once = copy(given.source, given.destination, {
    // As docker buildx has it.
    platforms: given.platforms.flatMap((text) => text.split(",")),
    referrers: given.referrers,
    tlsVerify: tlsVerifyOf(given),
    onProgress: (progress) => {
      latest = progress
    }
  })
  if (!given.waitForRateLimit) return yield* once
  // A wait of hours shows no progress.
  return yield* waitingForRateLimits(once, () => {
    latest = undefined
  })
}, Effect.scoped)

/** The failure of a copy. After a rate limit it says when to run the command again. */
const failureOf = (error: CredentialError | RegistryError): CommandFailure => {
  const isLimited = error._tag === "RegistryError" && error.isRateLimited
  const until = isLimited && error.until !== undefined ? instantOf(error.until) : undefined
  const detail = isLimited ? `${error.message}; ${rateLimitRemedy(until)}` : error.message
  return new CommandFailure({ exitCode: FAILED, detail })
}

export const copyCommand = Command.make(
  "copy",
  flags,
  Effect.fn(
    function* (given) {
      const failed = (error: CredentialError | RegistryError) => Effect.fail(failureOf(error))
      const result = yield* copying(given).pipe(
        Effect.catchTags({
          InvalidCopy: (error) => Effect.fail(badUsage(error)),
          CredentialError: failed,
          RegistryError: failed
        })
      )
      yield* Console.log(textOf(result, given.output))
    },
    Effect.onInterrupt(() => Console.error("interrupted: the copy has not ended; run it again to go on"))
  )
).pipe(
  Command.withDescription(
    "Copies one image from registry to registry, whole or some of its platforms. A tag that is there already is not written again."
  ),
  Command.withExamples([
    {
      command: "skopeo-operator copy quay.io/argoproj/argocd:v2.13.0 registry.corp/argocd",
      description: "Copies one tag under its own name"
    },
    {
      command: "skopeo-operator copy --platform linux/amd64 nginx:1.27 localhost:5000/web:1",
      description: "Copies one platform to another tag"
    }
  ])
)
