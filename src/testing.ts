/** For tests of what is built on this library: layers in memory, and a registry over HTTP. */
export * as KubeClientMemory from "./kube/KubeClientMemory.ts"
export {
  type EmbeddedRegistry,
  type EmbeddedRegistryOptions,
  type Intercept,
  requireBasic,
  startRegistry
} from "./registry/EmbeddedRegistry.ts"
export type { KeyedCertificate } from "./registry/LoopbackServer.ts"
export * as RegistryClientMemory from "./registry/RegistryClientMemory.ts"
export { RegistryStore } from "./registry/RegistryStore.ts"
export { pushSampleImage } from "./registry/SampleImage.ts"
