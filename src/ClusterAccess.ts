/** The access to an API server, from flags, the environment and the user's files. */
import { Effect, FileSystem, Layer, Option, Path } from "effect"
import { inClusterConfig, kubeconfigConfig } from "./Config.ts"
import * as KubeAccess from "./kube/KubeAccess.ts"

/** The flags of a command for a cluster. */
export interface ClusterAccessOptions {
  /** A kubeconfig file, instead of KUBECONFIG. */
  readonly kubeconfig?: string | undefined
  /** A context of the kubeconfig, instead of the current context. */
  readonly context?: string | undefined
}

/**
 * The first of these that exists: the file of `--kubeconfig`, the files of KUBECONFIG, `~/.kube/config`, the service account of this
 * process's pod. kubectl has the same order.
 */
export const layer = ({ context, kubeconfig }: ClusterAccessOptions = {}) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const exists = (file: string) => Effect.orElseSucceed(fs.exists(file), () => false)
      if (kubeconfig !== undefined) {
        if (yield* exists(kubeconfig)) return KubeAccess.layerKubeconfig({ files: [kubeconfig], context })
        return yield* new KubeAccess.KubeAccessError({
          detail: `--kubeconfig: "${kubeconfig}" does not exist; name a kubeconfig file`
        })
      }
      const { home, variable } = yield* kubeconfigConfig
      const named = Option.match(variable, { onNone: () => [], onSome: (text) => text.split(LIST_DELIMITER) }).filter(
        (file) => file !== ""
      )
      const candidates =
        named.length > 0
          ? named
          : Option.match(home, { onNone: () => [], onSome: (home) => [path.join(home, ".kube", "config")] })
      const files = yield* Effect.filter(candidates, exists)
      if (files.length > 0) return KubeAccess.layerKubeconfig({ files, context })
      const address = yield* inClusterConfig
      if (Option.isSome(address)) return KubeAccess.layerInCluster(address.value)
      return yield* new KubeAccess.KubeAccessError({ detail: missing(named) })
    })
  )

/** The separator of the files in KUBECONFIG. */
const LIST_DELIMITER = process.platform === "win32" ? ";" : ":"

const missing = (named: ReadonlyArray<string>): string =>
  named.length > 0
    ? `no kubeconfig: $KUBECONFIG names ${named.join(", ")}, which does not exist, and this is no pod; set KUBECONFIG to a kubeconfig file`
    : "no kubeconfig: neither $KUBECONFIG nor ~/.kube/config names a file, and this is no pod; set KUBECONFIG to a kubeconfig file"
