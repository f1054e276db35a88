/** `copy`: copies one image from registry to registry. */
import { Console, Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { copy, type CopyOptions, type CopyResult, type InvalidCopy } from "../copy/copy.ts"
import type { CopyProgress } from "../domain/Copy.ts"
import type { RegistrySide } from "../domain/Credential.ts"
import { formatProblem } from "../domain/Problem.ts"
import { formatReference } from "../oci/Reference.ts"
import { CommandFailure } from "./CommandFailure.ts"
import { BAD_USAGE, FAILED } from "./exitCodes.ts"
import { formatDocument } from "./output.ts"
import { showCopyProgress } from "./copyProgress.ts"
import { formatBytes } from "./amounts.ts"

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
  platforms: Flag.String("platform").pipe(
    Flag.withMetavar("PLATFORM"),
    Flag.withDescription("Copies only this platform, such as linux/amd64. May be repeated. Default: all"),
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

/** Copies while the progress is shown. */
const copying = Effect.fnUntraced(function* (given: Given) {
  let latest: CopyProgress | undefined
  yield* Effect.forkScoped(showCopyProgress(given.source, () => latest))
  return yield* copy(given.source, given.destination, {
    platforms: given.platforms,
    referrers: given.referrers,
    tlsVerify: tlsVerifyOf(given),
    onProgress: (progress) => {
      latest = progress
    }
  })
}, Effect.scoped)

export const copyCommand = Command.make(
  "copy",
  flags,
  Effect.fn(function* (given) {
    const failed = ({ message }: Error) => Effect.fail(new CommandFailure({ exitCode: FAILED, detail: message }))
    const result = yield* copying(given).pipe(
      Effect.catchTags({
        InvalidCopy: (error) => Effect.fail(badUsage(error)),
        CredentialError: failed,
        RegistryError: failed
      })
    )
    yield* Console.log(textOf(result, given.output))
  })
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
