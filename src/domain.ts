/**
 * The entry `skopeo-operator/domain`: Images, their rules, and the decisions of the operator, as types and pure functions. This
 * entry needs only the package `effect`, and runs on any platform.
 */
export {
  type Copy,
  type CopyProgress,
  type CopyState,
  type CopyTask,
  type Endpoint,
  type ImageIdentity,
  type Missing,
  progressOf
} from "./domain/Copy.ts"
export type { CredentialChoice, RegistrySide } from "./domain/Credential.ts"
export { customResourceDefinition, type StructuralSchema } from "./domain/CustomResourceDefinition.ts"
export { type Expression, parseExpression } from "./domain/Expression.ts"
export { type ExtractedKind, type ExtractedPart, type Extraction, parseExtraction } from "./domain/Extraction.ts"
export { parseFrequency } from "./domain/Frequency.ts"
export {
  type Condition,
  conditionOf,
  type CopyPlan,
  type FailedCheck,
  type FailedCopy,
  type Image,
  type ImageHeader,
  ImageSpec,
  ImageStatus,
  type PerformedCopy,
  type PlannedTag,
  type PlatformSubset,
  type StoredReason
} from "./domain/Image.ts"
export { admitImage, decodeHeader, decodeImage } from "./domain/ImageDecoder.ts"
export type { ImageKey } from "./domain/ImageKey.ts"
export {
  type Mirror,
  type MirrorDefaults,
  type MirroredTags,
  type MirrorEndpoint,
  parseMirror
} from "./domain/Mirror.ts"
export {
  type ImageOutcome,
  type OutcomeTotals,
  type ReconcileFacts,
  type TagAction,
  type TagOutcome,
  type TagOutcomes,
  totalsOf,
  type Transfer
} from "./domain/Outcome.ts"
export { decide, type Decision } from "./domain/plan/decide.ts"
export type { EventReason, EventTag, ImageEvent } from "./domain/plan/events.ts"
export type {
  Blocked,
  Checked,
  CheckFailure,
  Claimed,
  Claims,
  CopyFacts,
  Gathered,
  Invalid,
  Observed,
  ObservedTag,
  Parsed,
  Refused,
  Unobserved,
  Warning,
  WarningType
} from "./domain/plan/facts.ts"
export { nextCheck, type NextCheck, type ScheduleFacts } from "./domain/plan/schedule.ts"
export {
  EVERYTHING,
  judge,
  type Judgement,
  type PolicyGrant,
  type PolicyRequest,
  type PolicySide
} from "./domain/policy/judge.ts"
export { parsePolicy, type PolicyMistake } from "./domain/policy/parsePolicy.ts"
export {
  type OperatorCredential,
  type Permission,
  type PolicyRule,
  type PolicyRules,
  type RepositoryPrefix
} from "./domain/policy/PolicyRule.ts"
export { formatProblem, type Mistake, type Problem, type ProblemReason } from "./domain/Problem.ts"
export { type CredentialReason, type Explanation, type Reason, REASONS, type SpecReason } from "./domain/Reason.ts"
export { refusals, type RuleContext } from "./domain/rules.ts"
export {
  type ReadableImage,
  readStoredImage,
  type StoredImageHeader,
  type StoredImage,
  type UnreadableImage,
  type UnreadImage
} from "./domain/StoredImage.ts"
export {
  describeVerdict,
  explainTag,
  type FilterTerms,
  type JudgedTag,
  judgeTags,
  type Misfit,
  nearestTags,
  selectTags,
  type TagFilter,
  type TagVerdict
} from "./domain/TagFilter.ts"
export { type ExactVersion, type ListedVersion, parseTagPattern, type TagPattern } from "./domain/TagPattern.ts"
export { type Alternative, type Bound, type Limit, type VersionRange } from "./domain/VersionRange.ts"
export { formatPlatform, parsePlatform, type Platform } from "./oci/Platform.ts"
export {
  formatReference,
  formatRepository,
  parseReference,
  parseRepository,
  type Reference,
  type Repository
} from "./oci/Reference.ts"
