/** The operator as a library: every service with its layers, and the pure domain beneath them. */
export { Controller } from "./controller/Controller.ts"
export { Reconciler } from "./controller/Reconciler.ts"
export { CopyEngine, CopyEngineError, type EngineSupport } from "./copy/CopyEngine.ts"
export { CopyLimits } from "./copy/CopyLimits.ts"
export * as DirectEngine from "./copy/DirectEngine.ts"
export * as SkopeoJobEngine from "./copy/SkopeoJobEngine.ts"
export * as AuthFiles from "./credentials/AuthFiles.ts"
export * as CloudIdentity from "./credentials/CloudIdentity.ts"
export * as ConfiguredCredentials from "./credentials/ConfiguredCredentials.ts"
export { CredentialProvider, ProviderError } from "./credentials/CredentialProvider.ts"
export {
  CredentialError,
  type CredentialRequest,
  Credentials,
  type CredentialSource,
  type FoundCredential
} from "./credentials/Credentials.ts"
export * as ImageSecrets from "./credentials/ImageSecrets.ts"
export type { Copy, CopyState, CopyTask } from "./domain/Copy.ts"
export { customResourceDefinition } from "./domain/CustomResourceDefinition.ts"
export { parseFrequency } from "./domain/Frequency.ts"
export type { Image } from "./domain/Image.ts"
export { admitImage, decodeImage } from "./domain/ImageDecoder.ts"
export { decide, nextLook } from "./domain/Plan.ts"
export { formatReference, parseReference } from "./domain/Reference.ts"
export { parseSelection } from "./domain/Selection.ts"
export { parseTagPattern } from "./domain/TagPattern.ts"
export { judgeTags, selectTags } from "./domain/TagSelection.ts"
export * as KubeAccess from "./kube/KubeAccess.ts"
export { KubeClient, KubeError } from "./kube/KubeClient.ts"
export * as KubeClientHttp from "./kube/KubeClientHttp.ts"
export { Images } from "./kube/Resource.ts"
export { Metrics } from "./Metrics.ts"
export { parseBundle } from "./registry/Certificates.ts"
export { parseProxy, type Proxies } from "./registry/Proxy.ts"
export { RegistryClient, RegistryError } from "./registry/RegistryClient.ts"
export * as RegistryClientHttp from "./registry/RegistryClientHttp.ts"
