import { Effect } from "effect"
import { ApiServerStore } from "../../src/kube/ApiServerStore.ts"
import { KubeClient } from "../../src/kube/KubeClient.ts"
import * as KubeClientMemory from "../../src/kube/KubeClientMemory.ts"
import { ConfigMaps, kubeClientConformance } from "./kubeClient.ts"

const HISTORY = 50

kubeClientConformance("KubeClientMemory", KubeClientMemory.layer({ store: new ApiServerStore({ history: HISTORY }) }), {
  forget: Effect.gen(function* () {
    const kube = yield* KubeClient
    yield* Effect.forEach(Array.from({ length: HISTORY }).keys(), (index) =>
      kube.create(ConfigMaps, { metadata: { namespace: "forgotten", name: `change-${index}` } })
    )
  })
})
