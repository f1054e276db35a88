/**
 * The operator as a library: the services with their layers, and the pure functions and types of the domain. The exports are
 * grouped by folder: controller, copies, credentials, domain, Kubernetes, registries.
 *
 * `examples/notify` is a program over this library.
 */
export { Controller, ControllerStopped } from "./controller/Controller.ts"
export { DestinationClaims } from "./controller/DestinationClaims.ts"
export { ImageEvents } from "./controller/events/ImageEvents.ts"
export * as KubeImageEvents from "./controller/events/KubeImageEvents.ts"
export { ImageStore, type ImageIndex, type ImageStoreOptions } from "./controller/ImageStore.ts"
export { Reconciler } from "./controller/Reconciler.ts"
export { CopyEngine, CopyEngineError, CopyRefused, type EngineSupport } from "./copy/CopyEngine.ts"
export { CopyLimits } from "./copy/CopyLimits.ts"
export * as DirectEngine from "./copy/DirectEngine.ts"
export * as JobEngine from "./copy/job/JobEngine.ts"
export { type Access, accessOf, type AccessRequest, type AccessServices } from "./credentials/access.ts"
export * as AuthFiles from "./credentials/AuthFiles.ts"
export * as AwsEcr from "./credentials/AwsEcr.ts"
export * as CloudIdentity from "./credentials/CloudIdentity.ts"
export * as ConfiguredCredentials from "./credentials/ConfiguredCredentials.ts"
export { CredentialProvider, ProviderError } from "./credentials/CredentialProvider.ts"
export {
  CredentialError,
  type CredentialOwner,
  type CredentialRequest,
  Credentials,
  type CredentialSource,
  type FoundCredential
} from "./credentials/Credentials.ts"
export * as ImageSecrets from "./credentials/ImageSecrets.ts"
export { Policy, PolicyFileError, type PolicyFileOptions, PolicyRefused } from "./credentials/Policy.ts"
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
export { customResourceDefinition } from "./domain/CustomResourceDefinition.ts"
export { type Expression, parseExpression } from "./domain/Expression.ts"
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
  type PlatformSubset
} from "./domain/Image.ts"
export { admitImage, decodeHeader, decodeImage } from "./domain/ImageDecoder.ts"
export {
  type Mirror,
  type MirrorDefaults,
  type MirroredTags,
  type MirrorEndpoint,
  parseMirror
} from "./domain/Mirror.ts"
export { decide, type Decision } from "./domain/plan/decide.ts"
export type { EventReason, ImageEvent } from "./domain/plan/events.ts"
export type {
  Blocked,
  Checked,
  CheckFailure,
  Claimed,
  Claims,
  Gathered,
  Invalid,
  Observed,
  ObservedTag,
  Refused,
  Unobserved,
  Warning,
  WarningType
} from "./domain/plan/facts.ts"
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
export { nextCheck, type NextCheck, type ScheduleFacts } from "./domain/plan/schedule.ts"
export { formatProblem, type Mistake, type Problem, type ProblemReason } from "./domain/Problem.ts"
export { type Explanation, type Reason, REASONS } from "./domain/Reason.ts"
export { refusals, type RuleContext } from "./domain/rules.ts"
export { formatPlatform, parsePlatform, type Platform } from "./oci/Platform.ts"
export { formatReference, parseReference, type Reference, type Repository } from "./oci/Reference.ts"
export { readStoredImage, type ReadableImage, type StoredImage, type UnreadableImage } from "./domain/StoredImage.ts"
export { type ExtractedKind, type ExtractedPart, type Extraction, parseExtraction } from "./domain/Extraction.ts"
export { type ExactVersion, type ListedVersion, parseTagPattern, type TagPattern } from "./domain/TagPattern.ts"
export { type Alternative, type Bound, type Limit, type VersionRange } from "./domain/VersionRange.ts"
export {
  describeVerdict,
  explainTag,
  type JudgedTag,
  judgeTags,
  nearestTags,
  selectTags,
  type TagFilter,
  type TagVerdict
} from "./domain/TagFilter.ts"
export * as KubeAccess from "./kube/KubeAccess.ts"
export { KubeClient, KubeError } from "./kube/KubeClient.ts"
export * as KubeClientHttp from "./kube/KubeClientHttp.ts"
export { Images } from "./kube/Resources.ts"
export { OverlappingScopes, type Store, type StoreChange } from "./kube/Store.ts"
export { Metrics } from "./metrics/Metrics.ts"
export { parseBundle } from "./http/certificates.ts"
export { parseProxy, type Proxies } from "./http/Proxy.ts"
export { RegistryClient, type RegistryNotice } from "./registry/RegistryClient.ts"
export { RegistryError, type RegistryErrorReason } from "./registry/RegistryError.ts"
export * as RegistryClientHttp from "./registry/RegistryClientHttp.ts"
export { parseTokenServers, type TokenServers } from "./registry/tokenServers.ts"
export { parseRegistryLimits } from "./registry/limits/configured.ts"
export {
  type Allowance,
  type RegistryObserver,
  RegistryLimits,
  RequestedFor
} from "./registry/limits/RegistryLimits.ts"
