/** A client of the cluster of this machine's kubeconfig. */
import { NodeServices } from "@effect/platform-node"
import { Layer } from "effect"
import * as ClusterAccess from "../../src/ClusterAccess.ts"
import * as KubeClientHttp from "../../src/kube/KubeClientHttp.ts"

export const kubeClient = KubeClientHttp.layer.pipe(
  Layer.provide(ClusterAccess.layer()),
  Layer.provide(NodeServices.layer)
)
