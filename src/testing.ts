/** The in-memory layers, for tests of what is built on this library. */
export * as KubeClientMemory from "./kube/KubeClientMemory.ts"
export * as RegistryClientMemory from "./registry/RegistryClientMemory.ts"
export { RegistryStore } from "./registry/RegistryStore.ts"
export { pushSampleImage } from "./registry/SampleImage.ts"
