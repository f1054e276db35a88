/**
 * The rules that refuse an Image though each of its texts can be read. Those that need only the spec are in the CRD too, as
 * CEL; a table of manifests that runs against both keeps them alike.
 */
import type { ImageSpec } from "./Image.ts"
import type { Problem } from "./Problem.ts"
import { formOf } from "./TagPattern.ts"

/** What a rule may know beside the spec. A rule whose part is absent refuses nothing, as at admission. */
export interface RuleContext {
  /** What the copy engine can do. */
  readonly supports?: { readonly platforms: boolean }
}

/** Everything that a rule has against a spec. */
export type Rule = (spec: ImageSpec, context: RuleContext) => ReadonlyArray<Problem>

const isListed = (version: string): boolean => {
  const form = formOf(version)
  return form === "Range" || form === "XPattern"
}

const invalidDestinationVersion = ({ destination }: ImageSpec, message: string): ReadonlyArray<Problem> => [
  { field: "spec.destination.version", value: destination.version, reason: "InvalidDestinationVersion", message }
]

/** One name for many tags would have each copy overwrite the one before it. */
const tagsOfAListingKeepTheirNames: Rule = (spec) => {
  const { destination, source } = spec
  if (!isListed(source.version) || destination.version === undefined || destination.version === source.version)
    return []
  return invalidDestinationVersion(
    spec,
    `must be left out or equal source.version (${source.version}) when that is a pattern or a range: each tag keeps its name`
  )
}

/** A digest is no tag, and an image without one cannot be pulled by name. */
const aDigestNeedsATag: Rule = (spec) =>
  formOf(spec.source.version) === "Digest" && spec.destination.version === undefined
    ? invalidDestinationVersion(spec, "is missing; a digest has no tag of its own, so name the tag to write")
    : []

/** One tag has nothing to refine. */
const onlyAListingIsRefined: Rule = ({ source, tags }) =>
  tags === undefined || isListed(source.version)
    ? []
    : [
        {
          field: "spec.tags",
          value: tags,
          reason: "InvalidSpec",
          message: `refines a pattern or a range, and source.version (${source.version}) is neither; leave it out`
        }
      ]

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
            "cannot be copied by this copy engine; leave it out, or use another engine (COPY_ENGINE, the chart's config.copyEngine)"
        }
      ]

/** Every rule. All that refuse are told at once. */
export const RULES: ReadonlyArray<Rule> = [
  tagsOfAListingKeepTheirNames,
  aDigestNeedsATag,
  onlyAListingIsRefined,
  theEngineCopiesPlatforms
]

/** What every rule has against a spec; nothing if it is fine. */
export const refusals = (spec: ImageSpec, context: RuleContext = {}): ReadonlyArray<Problem> =>
  RULES.flatMap((rule) => rule(spec, context))
