/** The address of the API server and its credentials, from the pod's service account or a kubeconfig file. */
import { Context, Effect, FileSystem, Layer, Option, Redacted, Ref, Schema } from "effect"
import { DEFAULT_NAMESPACE } from "../domain/ImageKey.ts"
import { suggestion } from "../domain/suggestion.ts"

/** The API server's address or credentials are missing or broken. The message says the file and the remedy. */
export class KubeAccessError extends Schema.TaggedError<KubeAccessError>()("KubeAccessError", {
  detail: Schema.String
}) {
  override get message(): string {
    return this.detail
  }
}

/** The TLS settings of the API server's connections. */
export interface KubeTls {
  readonly ca?: string | Buffer
  readonly cert?: string | Buffer
  readonly key?: string | Buffer
  readonly rejectUnauthorized?: boolean
}

/**
 * The address of an API server and the credentials for it.
 *
 * Layers: `KubeAccess.layerInCluster` for a pod, `KubeAccess.layerKubeconfig` for any other machine.
 */
export class KubeAccess extends Context.Service<
  KubeAccess,
  {
    /** The URL of the API server, such as `https://10.96.0.1:443`. */
    readonly server: string
    readonly tls: KubeTls
    /** The value of the Authorization header. Tokens are rotated, so run this effect for every request. */
    readonly authorization: Effect.Effect<Option.Option<Redacted.Redacted>>
    /** Reads the credentials again. Run this effect after an answer 401. */
    readonly renewed: Effect.Effect<Option.Option<Redacted.Redacted>>
    /** The namespace of this process's pod. `None` outside of a cluster. */
    readonly namespace: Option.Option<string>
    /** The namespace of commands that name none: that of the kubeconfig's context, of this process's pod, or `default`. */
    readonly defaultNamespace: string
  }
>()("skopeo-operator/kube/KubeAccess") {}

const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"

/** How long a token is used before its file or its plugin is read again. */
const TOKEN_LIFE = "1 minute"

/** An authorization that is read again after {@link TOKEN_LIFE}, or on demand. If a read fails, the last one stays in use. */
const renewable = Effect.fnUntraced(function* <E extends Error>(read: Effect.Effect<Option.Option<string>, E>) {
  const readRedacted = Effect.map(read, Option.map(Redacted.make<string>))
  const last = yield* Ref.make(yield* readRedacted)
  const newest = readRedacted.pipe(
    Effect.tap((authorization) => Ref.set(last, authorization)),
    Effect.catch(({ message }) =>
      Effect.logWarning("token not read").pipe(Effect.annotateLogs({ error: message }), Effect.andThen(Ref.get(last)))
    )
  )
  const [authorization, invalidate] = yield* Effect.cachedInvalidateWithTTL(newest, TOKEN_LIFE)
  return { authorization, renewed: Effect.andThen(invalidate, authorization) }
})

/**
 * The service account of this process's pod. Its token file is read again once a minute.
 *
 * @example
 * ```ts
 * import { NodeServices } from "@effect/platform-node"
 * import { Layer } from "effect"
 * import { KubeAccess, KubeClientHttp } from "skopeo-operator"
 *
 * const live = KubeClientHttp.layer.pipe(
 *   Layer.provide(KubeAccess.layerInCluster({ host: "kubernetes.default.svc", port: 443 })),
 *   Layer.provide(NodeServices.layer)
 * )
 * ```
 */
export const layerInCluster = (address: {
  readonly host: string
  readonly port: number
}): Layer.Layer<KubeAccess, KubeAccessError, FileSystem.FileSystem> =>
  Layer.effect(
    KubeAccess,
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const read = (file: string) =>
        fs.readFileString(`${SERVICE_ACCOUNT}/${file}`).pipe(
          Effect.mapError(
            () =>
              new KubeAccessError({
                detail: `${SERVICE_ACCOUNT}/${file} cannot be read; give the pod its service account's token`
              })
          )
        )
      const authorizations = yield* renewable(
        Effect.map(read("token"), (token) => Option.some(`Bearer ${token.trim()}`))
      )
      const namespace = (yield* read("namespace")).trim()
      const host = address.host.includes(":") ? `[${address.host}]` : address.host
      return {
        server: `https://${host}:${address.port}`,
        tls: { ca: yield* read("ca.crt") },
        ...authorizations,
        namespace: Option.some(namespace),
        defaultNamespace: namespace
      }
    })
  )

/** The kubeconfig of {@link layerKubeconfig}. */
export interface KubeconfigOptions {
  /** The files, of which each exists. Of several the first that names a current context decides. */
  readonly files: ReadonlyArray<string>
  /** The context. Default the current context. */
  readonly context?: string | undefined
}

/**
 * A context of kubeconfig files. Client certificates, tokens and exec plugins work as in kubectl.
 *
 * **Gotchas**
 *
 * - The files are read by `@kubernetes/client-node`, an optional peer dependency that your project installs.
 *
 * @example
 * ```ts
 * KubeAccess.layerKubeconfig({ files: ["/home/me/.kube/config"], context: "kind-kind" })
 * ```
 */
export const layerKubeconfig = (options: KubeconfigOptions): Layer.Layer<KubeAccess, KubeAccessError> =>
  Layer.effect(
    KubeAccess,
    Effect.gen(function* () {
      const config = yield* readKubeconfig(options)
      const cluster = config.getCurrentCluster()
      if (cluster === null) return yield* new KubeAccessError({ detail: missingContext(options, config) })
      interface HttpsOptions extends KubeTls {
        readonly headers?: Readonly<Record<string, string>>
      }
      const httpsOptions = Effect.tryPromise({
        try: async (): Promise<HttpsOptions> => {
          const target = { headers: {} }
          await config.applyToHTTPSOptions(target)
          return target
        },
        catch: unusable
      })
      const { ca, cert, key, rejectUnauthorized } = yield* httpsOptions
      const authorizations = yield* renewable(
        Effect.map(httpsOptions, ({ headers }) => Option.fromNullishOr(headers?.["Authorization"]))
      )
      const tls = { ca, cert, key, rejectUnauthorized }
      return {
        server: cluster.server.replace(/\/+$/u, ""),
        tls: Object.fromEntries(Object.entries(tls).filter(([, value]) => value !== undefined)),
        ...authorizations,
        namespace: Option.none(),
        defaultNamespace: config.getContextObject(config.currentContext)?.namespace ?? DEFAULT_NAMESPACE
      }
    })
  )

/** The YAML parser's message continues with lines of the file, which may have tokens. */
const firstLine = (text: string): string => text.split("\n")[0] ?? ""

const unusable = (cause: unknown) =>
  new KubeAccessError({
    detail: `the kubeconfig cannot be used: ${firstLine(cause instanceof Error ? cause.message : String(cause))}; set KUBECONFIG to a valid file`
  })

const readKubeconfig = Effect.fnUntraced(function* ({ context, files }: KubeconfigOptions) {
  // Loaded only here: the package costs tens of megabytes, and an operator in a cluster does not need it.
  const { KubeConfig } = yield* Effect.tryPromise({
    try: () => import("@kubernetes/client-node"),
    catch: (cause) =>
      new KubeAccessError({
        detail:
          cause instanceof Error && "code" in cause && cause.code === "ERR_MODULE_NOT_FOUND"
            ? "a kubeconfig is read by the package @kubernetes/client-node, which is not installed; run npm install @kubernetes/client-node"
            : `the package @kubernetes/client-node, which reads a kubeconfig, cannot be loaded: ${cause instanceof Error ? cause.message : String(cause)}`
      })
  })
  return yield* Effect.try({
    try: () => {
      const config = new KubeConfig()
      for (const file of files) {
        const next = new KubeConfig()
        next.loadFromFile(file)
        config.mergeConfig(next, Boolean(config.currentContext))
      }
      if (context !== undefined) config.setCurrentContext(context)
      return config
    },
    catch: unusable
  })
})

/** Why there is no context to use, with the remedy. */
const missingContext = (
  { context, files }: KubeconfigOptions,
  { contexts }: { readonly contexts?: ReadonlyArray<{ readonly name: string }> }
): string => {
  const names = (contexts ?? []).map(({ name }) => name)
  if (context === undefined) {
    return "the kubeconfig has no current context; choose one with: kubectl config use-context NAME"
  }
  const known = names.length === 0 ? "the kubeconfig has no context" : suggestion(context, names)
  return `--context: "${context}" is not a context of ${files.join(", ")}, or names no cluster; ${known}`
}
