/**
 * The entry `skopeo-operator/testing`, for tests of programs over this library: layers in memory, and registries over HTTP in
 * the test's process.
 *
 * - `OperatorMemory.layer` is the whole operator in memory.
 * - `KubeClientMemory.layer` is an API server in memory. An `ApiServerStore` keeps its objects beyond the layer.
 * - `RegistryClientMemory.layer` is a registry client over `RegistryStore`s.
 * - `startRegistry` serves a `RegistryStore` over HTTP on loopback, with faults and logins as a test asks for them.
 */
export * as OperatorMemory from "./controller/OperatorMemory.ts"
export {
  ApiServerStore,
  type ApiServerStoreOptions,
  type Json,
  type Refusal,
  type StoredChange,
  type StoredObject,
  type StoredPage,
  type StoredResource,
  type StoredWatch,
  type StoreSnapshot,
  type WrittenObject
} from "./kube/ApiServerStore.ts"
export * as KubeClientMemory from "./kube/KubeClientMemory.ts"
export {
  type EmbeddedRegistry,
  type EmbeddedRegistryOptions,
  type Intercept,
  requireBasic,
  startRegistry
} from "./registry/memory/EmbeddedRegistry.ts"
export type { KeyedCertificate } from "./registry/memory/LoopbackServer.ts"
export type { HttpHead } from "./http/Http.ts"
export type { RequestKind } from "./registry/limits/Quota.ts"
export * as RegistryClientMemory from "./registry/memory/RegistryClientMemory.ts"
export { RegistryStore, type StoredManifest } from "./registry/memory/RegistryStore.ts"
export { pushSampleImage, type SampleImageOptions } from "./registry/memory/SampleImage.ts"
