/** For tests of programs that use this library: layers in memory, and a registry over HTTP in the test's process. */
export { ApiServerStore, type ApiServerStoreOptions } from "./kube/ApiServerStore.ts"
export * as KubeClientMemory from "./kube/KubeClientMemory.ts"
export {
  type EmbeddedRegistry,
  type EmbeddedRegistryOptions,
  type Intercept,
  requireBasic,
  startRegistry
} from "./registry/memory/EmbeddedRegistry.ts"
export type { KeyedCertificate } from "./registry/memory/LoopbackServer.ts"
export * as RegistryClientMemory from "./registry/memory/RegistryClientMemory.ts"
export { RegistryStore } from "./registry/memory/RegistryStore.ts"
export { pushSampleImage } from "./registry/memory/SampleImage.ts"
