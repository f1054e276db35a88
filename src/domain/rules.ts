/**
 * The rules of an Image that a schema cannot express: most are about several fields, each of which is valid by itself. Rules that
 * need only the spec are in the CRD too, as CEL. A table of manifests runs against both and checks that they agree.
 */
import { Result } from "effect"
import { parsePlatform } from "../oci/Platform.ts"
import type { ImageSpec } from "./Image.ts"
import type { Problem } from "./Problem.ts"
import { formOf } from "./TagPattern.ts"

/** The facts of a rule other than the spec. A rule without its fact refuses nothing, as at admission. */
export interface RuleContext {
  /** The features of the copy engine. */
  readonly supports?: { readonly platforms: boolean }
}

/** Gives the problems of a spec by one rule. */
export type Rule = (spec: ImageSpec, context: RuleContext) => ReadonlyArray<Problem>

const isListed = (version: string): boolean => {
  const form = formOf(version)
  return form === "Range" || form === "XPattern"
}

const invalidDestinationVersion = ({ destination }: ImageSpec, message: string): ReadonlyArray<Problem> => [
  { field: "spec.destination.version", value: destination.version, reason: "InvalidDestinationVersion", message }
]

/** With one name for many tags each copy would overwrite the previous one. */
const tagsOfAListingKeepTheirNames: Rule = (spec) => {
  const { destination, source } = spec
  if (!isListed(source.version) || destination.version === undefined || destination.version === source.version)
    return []
  return invalidDestinationVersion(
    spec,
    `must be left out or equal source.version (${source.version}) when that is a pattern or a range: each tag keeps its name`
  )
}

/** A digest gives no tag, and an image without a tag cannot be pulled by name. */
const aDigestNeedsATag: Rule = (spec) =>
  formOf(spec.source.version) === "Digest" && spec.destination.version === undefined
    ? invalidDestinationVersion(spec, "is missing; a digest gives no tag, so name the tag to write")
    : []

/** A single tag cannot be refined. */
const onlyAListingIsRefined: Rule = ({ source, tags }) =>
  tags === undefined || isListed(source.version)
    ? []
    : [
        {
          field: "spec.tags",
          value: tags,
          reason: "InvalidSpec",
          message: `refines a pattern or a range, and source.version (${source.version}) is neither; remove spec.tags`
        }
      ]

/** No image has a platform under another program's name for the architecture, such as linux/x86_64. */
const platformsHaveTheNamesOfImages: Rule = ({ platforms = [] }) =>
  platforms.flatMap((value, index) =>
    Result.match(parsePlatform(value), {
      onSuccess: () => [],
      onFailure: (message) => [{ field: `spec.platforms[${index}]`, value, reason: "InvalidPlatform", message }]
    })
  )

/** An engine that cannot leave platforms out would copy all of them. */
const theEngineCopiesPlatforms: Rule = ({ platforms }, { supports }) =>
  platforms === undefined || (supports?.platforms ?? true)
    ? []
    : [
        {
          field: "spec.platforms",
          value: platforms,
          reason: "PlatformsUnsupported",
          message:
            "is not supported by this copy engine; remove spec.platforms, or use another engine (COPY_ENGINE, the chart's config.copyEngine)"
        }
      ]

/** All rules. The problems of all rules are reported at once. */
export const RULES: ReadonlyArray<Rule> = [
  tagsOfAListingKeepTheirNames,
  aDigestNeedsATag,
  onlyAListingIsRefined,
  platformsHaveTheNamesOfImages,
  theEngineCopiesPlatforms
]

/**
 * The problems of a spec by all rules. Empty if the spec is valid.
 *
 * @example
 * ```ts
 * refusals(spec, { supports: { platforms: false } }).map(formatProblem)
 * ```
 */
export const refusals = (spec: ImageSpec, context: RuleContext = {}): ReadonlyArray<Problem> =>
  RULES.flatMap((rule) => rule(spec, context))
