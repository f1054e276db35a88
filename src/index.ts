/**
 * The entry `skopeo-operator`: everything of `skopeo-operator/domain` and `skopeo-operator/registry`, and the services of the
 * operator with their layers. Importing an entry runs nothing.
 *
 * The directory `examples` has programs over this library.
 */
export * from "./domain.ts"
export * from "./registry.ts"
export { ListenError } from "./Server.ts"
export * as Cluster from "./ClusterOperator.ts"
export * as Local from "./LocalOperator.ts"
export { Controller, type ControllerOptions, ControllerStopped } from "./controller/Controller.ts"
export { DestinationClaims } from "./controller/DestinationClaims.ts"
export { ImageEvents, type ReportedImage } from "./controller/events/ImageEvents.ts"
export * as KubeImageEvents from "./controller/events/KubeImageEvents.ts"
export * as WebhookImageEvents from "./controller/events/WebhookImageEvents.ts"
export { LeaderElection, type LeaderElectionOptions, type Work } from "./controller/LeaderElection.ts"
export { type ImageIndex, ImageStore, type ImageStoreOptions } from "./controller/ImageStore.ts"
export * as Operator from "./controller/Operator.ts"
export { OutcomeListener, Outcomes, type TagChange } from "./controller/Outcomes.ts"
export { type Reconciled, Reconciler, type ReconcileError, type Superseded } from "./controller/Reconciler.ts"
export {
  type ImageManifest,
  InvalidImages,
  sync,
  type SyncError,
  type SyncOptions,
  type SyncOutcome
} from "./controller/sync.ts"
export { copy, type CopyError, type CopyOptions, type CopyResult, InvalidCopy } from "./copy/copy.ts"
export { CopyEngine, CopyEngineError, CopyRefused, type EngineSupport } from "./copy/CopyEngine.ts"
export { CopyLimits, type CopyLimitsOptions, type Limits } from "./copy/CopyLimits.ts"
export * as DirectEngine from "./copy/DirectEngine.ts"
export type { JobOptions } from "./copy/job/Job.ts"
export type { JobTemplate } from "./copy/job/JobTemplate.ts"
export * as JobEngine from "./copy/job/JobEngine.ts"
export { type Access, accessOf, type AccessRequest, type AccessServices } from "./credentials/access.ts"
export * as AuthFiles from "./credentials/AuthFiles.ts"
export type { AwsHttpOptions } from "./credentials/AwsHttp.ts"
export type { AwsVariables } from "./credentials/AwsIdentity.ts"
export * as AwsEcr from "./credentials/AwsEcr.ts"
export * as CloudIdentity from "./credentials/CloudIdentity.ts"
export * as ConfiguredCredentials from "./credentials/ConfiguredCredentials.ts"
export { CredentialProvider, ProviderError, type ProviderErrorKind } from "./credentials/CredentialProvider.ts"
export {
  CredentialError,
  type CredentialOwner,
  type CredentialRequest,
  Credentials,
  type CredentialSource,
  type CredentialsOptions,
  type FoundCredential,
  type TlsVerify
} from "./credentials/Credentials.ts"
export * as CustomCredentials from "./credentials/CustomCredentials.ts"
export * as ImageSecrets from "./credentials/ImageSecrets.ts"
export { Policy, PolicyFileError, type PolicyFileOptions, PolicyRefused } from "./credentials/Policy.ts"
export * as KubeAccess from "./kube/KubeAccess.ts"
export {
  KubeClient,
  KubeError,
  type ListPage,
  type ListScope,
  type MergePatch,
  type ObjectName,
  type OwnerReference,
  type Replacement,
  type WatchEvent,
  type Written,
  type WrittenMetadata
} from "./kube/KubeClient.ts"
export { DirectoryLockError } from "./kube/directoryLock.ts"
export { StateDirectory } from "./kube/KubeClientFile.ts"
export * as KubeClientHttp from "./kube/KubeClientHttp.ts"
export type { KubeObject, Resource } from "./kube/Resource.ts"
export { type ImageObject, Images } from "./kube/Resources.ts"
export { OverlappingScopes, type Store, type StoreChange } from "./kube/Store.ts"
export type { CopyMetrics } from "./metrics/copyMetrics.ts"
export type { Freshness, ImageMetrics, ImageSample, TagState } from "./metrics/imageMetrics.ts"
export { Metrics, type MetricsOptions } from "./metrics/Metrics.ts"
export type { QueueMetrics, ReconcileMetrics, ReconcileResult } from "./metrics/reconcileMetrics.ts"
export type { ApiServerMetrics, RegistryMetrics } from "./metrics/requestMetrics.ts"
