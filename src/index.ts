/** The operator as a library: every service with its layers, and the pure domain beneath them. */
export { Controller } from "./controller/Controller.ts"
export { ImageStore, type ImageIndex, type ImageStoreOptions } from "./controller/ImageStore.ts"
export { Reconciler } from "./controller/Reconciler.ts"
export { CopyEngine, CopyEngineError, CopyRefused, type EngineSupport } from "./copy/CopyEngine.ts"
export { CopyLimits } from "./copy/CopyLimits.ts"
export * as DirectEngine from "./copy/DirectEngine.ts"
export * as SkopeoJobEngine from "./copy/SkopeoJobEngine.ts"
export { type Access, accessOf } from "./credentials/access.ts"
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
export { type Copy, type CopyProgress, type CopyState, type CopyTask, progressOf } from "./domain/Copy.ts"
export type { CredentialChoice, RegistrySide } from "./domain/Credential.ts"
export { customResourceDefinition } from "./domain/CustomResourceDefinition.ts"
export { type Expression, parseExpression } from "./domain/Expression.ts"
export { parseFrequency } from "./domain/Frequency.ts"
export type { Image } from "./domain/Image.ts"
export { admitImage, decodeImage } from "./domain/ImageDecoder.ts"
export { decide, nextLook } from "./domain/Plan.ts"
export { formatReference, parseReference } from "./oci/Reference.ts"
export { parseSelection } from "./domain/Selection.ts"
export { readStoredImage, type ReadableImage, type StoredImage, type UnreadableImage } from "./domain/StoredImage.ts"
export { parseTagPattern } from "./domain/TagPattern.ts"
export { describeVerdict, judgeTags, nearestTags, selectTags } from "./domain/TagSelection.ts"
export * as KubeAccess from "./kube/KubeAccess.ts"
export { KubeClient, KubeError } from "./kube/KubeClient.ts"
export * as KubeClientHttp from "./kube/KubeClientHttp.ts"
export { Images } from "./kube/Resources.ts"
export { OverlappingScopes, type Store, type StoreChange } from "./kube/Store.ts"
export { Metrics } from "./Metrics.ts"
export { parseBundle } from "./http/certificates.ts"
export { parseProxy, type Proxies } from "./http/Proxy.ts"
export { RegistryClient, type RegistryNotice } from "./registry/RegistryClient.ts"
export { RegistryError, type RegistryErrorReason } from "./registry/RegistryError.ts"
export * as RegistryClientHttp from "./registry/RegistryClientHttp.ts"
export { parseRegistryLimits } from "./registry/limits/configured.ts"
export {
  type Allowance,
  type RegistryObserver,
  RegistryLimits,
  RequestedFor
} from "./registry/limits/RegistryLimits.ts"
