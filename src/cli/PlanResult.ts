/** The document of `plan`, for programs: its Schema, from which schemas/plan.v1.json is made, and its values. */
import { Schema } from "effect"
import type { ImagePlan, TagPlan } from "../controller/Planner.ts"
import { PREVIEW_ACTIONS, PREVIEW_REASONS } from "../domain/plan/preview.ts"
import { Count, described, optional } from "./described.ts"
import type { ManifestProblem } from "./manifests.ts"
import { DOCUMENT_VERSION } from "./output.ts"
import { FileProblem } from "./problems.ts"

const Tag = Schema.Struct({
  tag: described(Schema.String, "The tag at the destination."),
  action: described(
    Schema.Literals(PREVIEW_ACTIONS),
    "copy: the destination lacks the tag, or a part of its image. overwrite: the destination has another image under the tag. leave: only the destination has the tag. skip: the tag needs no copy, or cannot be copied."
  ),
  reason: described(Schema.Literals(PREVIEW_REASONS), "Why sync would do that."),
  desiredDigest: optional(Schema.String, "The digest that the destination should have, if it is known."),
  actualDigest: optional(Schema.String, "The digest that the destination has, if it is known."),
  bytes: optional(Count, "The size of the image. Absent if no copy is needed, or if the size is not known."),
  bytesToSend: optional(
    Count,
    "The bytes that the destination's repository lacks. A blob that several tags need counts for the first of them."
  ),
  error: Schema.optionalKey(
    Schema.Struct({
      reason: described(Schema.String, "A word for programs, such as AuthenticationFailed."),
      message: described(Schema.String, "Why the tag is Claimed or has Failed.")
    })
  )
})

const Counts = {
  tagsToCopy: Count,
  tagsToOverwrite: Count,
  tagsUpToDate: Count,
  tagsClaimed: Count,
  tagsFailed: Count,
  tagsLeft: described(Count, "Tags that only the destination has. Nothing is ever deleted."),
  bytesToSend: described(Count, "The bytes that destinations lack, as far as they are known."),
  isBytesComplete: described(
    Schema.Boolean,
    "Whether bytesToSend has every copy. Manifests of a registry that counts pulls are not read."
  )
}

export const PlanResult = Schema.Struct({
  apiVersion: Schema.Literal(DOCUMENT_VERSION),
  kind: Schema.Literal("Plan"),
  totals: Schema.Struct({
    images: Count,
    imagesFailed: described(Count, "Images that could not be checked, or of which no tag is selected."),
    ...Counts
  }),
  requests: described(
    Schema.Record(Schema.String, Count),
    "The requests that registries have answered for this plan, by registry."
  ),
  pulls: described(
    Schema.Array(
      Schema.Struct({
        registry: Schema.String,
        least: described(Count, "The fewest pulls that sync needs: one for each image, and more for its platforms."),
        remaining: optional(Count, "The pulls that the registry still allows, if it says so."),
        limit: optional(Count, "The pulls that the registry allows in its window, if it says so.")
      })
    ),
    "What sync costs of the rate limits of registries that count pulls."
  ),
  images: Schema.Array(
    Schema.Struct({
      namespace: Schema.String,
      name: Schema.String,
      source: optional(Schema.String, "The complete name of the repository. Absent if the spec is invalid."),
      destination: optional(Schema.String, "The complete name of the repository. Absent if the spec is invalid."),
      suspended: described(Schema.Boolean, "Whether spec.suspend is set. Such an Image is not checked."),
      tagsListed: optional(Count, "The number of tags in the source's list, for a pattern or a range."),
      error: Schema.optionalKey(
        Schema.Struct({
          reason: described(Schema.String, "A word for programs, such as NoTagMatches."),
          message: described(Schema.String, "Why the Image could not be checked, or why no tag is selected."),
          stalled: described(Schema.Boolean, "Whether a person must repair the cause.")
        })
      ),
      tags: Schema.Array(Tag)
    })
  ),
  problems: described(Schema.Array(FileProblem), "The mistakes in the files. With any of these nothing is checked.")
}).annotate({
  title: "Plan",
  description: "What skopeo-operator plan prints with --output json or yaml."
})
export type PlanResult = typeof PlanResult.Type

/** A plan of several Images. */
export interface Plan {
  readonly images: ReadonlyArray<ImagePlan>
  readonly problems: ReadonlyArray<ManifestProblem>
  readonly requests: ReadonlyMap<string, number>
}

/** The numbers of a plan. */
export const countsOf = (images: ReadonlyArray<ImagePlan>) => {
  const tags = images.flatMap((image) => image.tags)
  const count = (matches: (tag: TagPlan) => boolean): number => tags.filter(matches).length
  const copies = tags.filter(isChange)
  return {
    tagsToCopy: count(({ action }) => action === "copy"),
    tagsToOverwrite: count(({ action }) => action === "overwrite"),
    tagsUpToDate: count(({ reason }) => reason === "UpToDate"),
    tagsClaimed: count(({ reason }) => reason === "Claimed"),
    tagsFailed: count(({ reason }) => reason === "Failed"),
    tagsLeft: count(({ action }) => action === "leave"),
    bytesToSend: copies.reduce((sum, { size }) => sum + (size?.bytesToSend ?? 0), 0),
    isBytesComplete: copies.every(({ size }) => size !== undefined)
  }
}

/** Whether a run would write the tag. */
export const isChange = ({ action }: TagPlan): boolean => action === "copy" || action === "overwrite"

/** The pulls that a run needs, by registry. */
export const pullsOf = (images: ReadonlyArray<ImagePlan>): PlanResult["pulls"] => {
  const budgets = images.flatMap(({ budget }) => (budget === undefined || budget.leastPulls === 0 ? [] : [budget]))
  return [...Map.groupBy(budgets, ({ registry }) => registry)].map(([registry, of]) => {
    const quota = of.map((budget) => budget.quota).findLast((known) => known !== undefined)
    return {
      registry,
      least: of.reduce((sum, { leastPulls }) => sum + leastPulls, 0),
      ...(quota === undefined ? {} : { remaining: quota.remaining, limit: quota.limit })
    }
  })
}

export const planResult = ({ images, problems, requests }: Plan): PlanResult => ({
  apiVersion: DOCUMENT_VERSION,
  kind: "Plan",
  totals: {
    images: images.length,
    imagesFailed: images.filter(({ failure }) => failure !== undefined).length,
    ...countsOf(images)
  },
  requests: Object.fromEntries(requests),
  pulls: pullsOf(images),
  images: images.map(({ destination, failure, listed, name, namespace, source, suspended, tags }) => ({
    namespace,
    name,
    ...(source === undefined ? {} : { source }),
    ...(destination === undefined ? {} : { destination }),
    suspended,
    ...(listed === undefined ? {} : { tagsListed: listed }),
    ...(failure === undefined ? {} : { error: failure }),
    tags: tags.map(({ action, actual, desired, error, reason, size, tag }) => ({
      tag,
      action,
      reason,
      ...(desired === undefined ? {} : { desiredDigest: desired }),
      ...(actual === undefined ? {} : { actualDigest: actual }),
      ...size,
      ...(error === undefined ? {} : { error })
    }))
  })),
  problems
})
