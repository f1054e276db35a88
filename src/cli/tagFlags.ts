/** The flags and arguments of `tags`. */
import { Argument, Flag } from "effect/cli"
import { optionalFileFlags } from "./imageFlags.ts"
import { textFlag } from "./textFlag.ts"

export const flags = {
  repository: Argument.String("REPOSITORY").pipe(
    Argument.withDescription("The repository, such as quay.io/argoproj/argocd; with --file the name of an Image"),
    Argument.optional
  ),
  version: Argument.String("VERSION").pipe(
    Argument.withDescription(
      "A pattern such as v2.13.x, a range such as ^2.13.0, a tag, or a digest. Without it all tags are listed, the newest first"
    ),
    Argument.optional
  ),
  ...optionalFileFlags,
  destination: Flag.Boolean("destination").pipe(
    Flag.withDescription("With --file: asks the destination of the Image, not the source"),
    Flag.withDefault(false)
  ),
  include: textFlag("include").pipe(
    Flag.withMetavar("REGEXP"),
    Flag.withDescription("Selects only tags that a regular expression (RE2) matches. May be repeated: one must match"),
    Flag.atLeast(1),
    Flag.withDefault<ReadonlyArray<string>>([])
  ),
  exclude: textFlag("exclude").pipe(
    Flag.withMetavar("REGEXP"),
    Flag.withDescription("Selects no tag that a regular expression (RE2) matches. May be repeated"),
    Flag.atLeast(1),
    Flag.withDefault<ReadonlyArray<string>>([])
  ),
  extract: textFlag("extract").pipe(
    Flag.withMetavar("REGEXP"),
    Flag.withDescription(
      "A regular expression (RE2) whose groups (?P<semver>…), (?P<number>…) and (?P<text>…) are the version in a tag"
    ),
    Flag.optional
  ),
  latest: Flag.Int("latest").pipe(
    Flag.withMetavar("N"),
    Flag.withDescription("Selects only the tags of the N highest versions"),
    Flag.optional
  ),
  atLeast: Flag.Int("at-least").pipe(
    Flag.withMetavar("N"),
    Flag.withDescription("Selects no tag if fewer than N tags match"),
    Flag.optional
  ),
  max: Flag.Int("max").pipe(
    Flag.withMetavar("N"),
    Flag.withDescription("Selects no tag if more than N tags are selected. Default 1000"),
    Flag.optional
  ),
  allowCandidateRelease: Flag.Boolean("allow-candidate-release").pipe(
    Flag.withDescription("Selects candidate releases such as v2.13.0-rc1 too"),
    Flag.withDefault(false)
  ),
  tlsVerify: Flag.Boolean("tls-verify").pipe(
    Flag.withDescription("false accepts any certificate and plain HTTP. Registries on this machine need no flag"),
    Flag.optional
  ),
  all: Flag.Boolean("all").pipe(
    Flag.withDescription("Shows all tags that do not match, not only the nearest 20"),
    Flag.withDefault(false)
  ),
  output: Flag.Literals("output", ["text", "json", "yaml", "name"]).pipe(
    Flag.withAlias("o"),
    Flag.withDescription(
      "text: a table. json, yaml: one document with every tag. name: the references of the tags that match, one a line"
    ),
    Flag.withDefault("text" as const)
  )
}
