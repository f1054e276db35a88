/**
 * The entry `skopeo-operator/registry`: the client of container registries, with its errors and its rate limits. This entry
 * needs Node.js and the package `effect`.
 */
export { parseBundle } from "./http/certificates.ts"
export type { HttpClientOptions } from "./http/HttpClient.ts"
export { parseProxy, type Proxies, type Proxy } from "./http/Proxy.ts"
export type { BlobDescriptor, Descriptor, Manifest } from "./oci/Manifest.ts"
export { formatPlatform, parsePlatform, type Platform } from "./oci/Platform.ts"
export {
  formatReference,
  formatRepository,
  parseReference,
  parseRepository,
  type Reference,
  type Repository
} from "./oci/Reference.ts"
export type { Referrer } from "./oci/Referrers.ts"
export {
  type ConfiguredLimits,
  parseRegistryLimits,
  type Rate,
  type RegistryLimit
} from "./registry/limits/configured.ts"
export {
  type Allowance,
  type RegistryObserver,
  RegistryLimits,
  RequestedFor
} from "./registry/limits/RegistryLimits.ts"
export {
  type CopyBlobOptions,
  type Credential,
  RegistryClient,
  type RegistryNotice,
  type RepositoryAccess
} from "./registry/RegistryClient.ts"
export type { RateLimiterOptions } from "./registry/limits/RateLimiter.ts"
export type { PipelineOptions } from "./registry/pipeline/pipeline.ts"
export * as RegistryClientHttp from "./registry/RegistryClientHttp.ts"
export {
  type Concerns,
  type FieldlessErrorTag,
  RegistryError,
  type RegistryErrorDetails,
  type RegistryErrorReason,
  type RegistryErrorTag,
  type Side
} from "./registry/RegistryError.ts"
export { parseTokenServers, type TokenServers } from "./registry/tokenServers.ts"
