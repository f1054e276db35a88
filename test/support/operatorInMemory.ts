/** The operator without a cluster: the API server in memory, the copies in this process, and registries by HTTP. */
import { Effect, Layer } from "effect"
import { Controller } from "../../src/controller/Controller.ts"
import { Reconciler } from "../../src/controller/Reconciler.ts"
import { CopyLimits } from "../../src/copy/CopyLimits.ts"
import * as DirectEngine from "../../src/copy/DirectEngine.ts"
import { Credentials } from "../../src/credentials/Credentials.ts"
import * as KubeClientMemory from "../../src/kube/KubeClientMemory.ts"
import { Metrics } from "../../src/Metrics.ts"
import * as RegistryClientHttp from "../../src/registry/RegistryClientHttp.ts"

export const operatorInMemory = Controller.layer().pipe(
  Layer.provideMerge(Reconciler.layer()),
  Layer.provideMerge(DirectEngine.layer),
  Layer.provideMerge(
    Layer.mergeAll(
      RegistryClientHttp.layer(),
      KubeClientMemory.layer(),
      Credentials.layer(Effect.succeed([]), { tlsVerify: { source: false, destination: false } }),
      CopyLimits.layer(),
      Metrics.layerNoop
    )
  )
)
