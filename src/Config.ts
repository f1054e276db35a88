/** The environment variables the operator and the commands read; names and defaults are those of earlier releases. */
import { Config, Option, Redacted, Schema } from "effect"
import type { SkopeoJobOptions } from "./copy/SkopeoJob.ts"
import type { ConfiguredCredential, RegistrySide } from "./registry/Credentials.ts"

const flag = (name: string) => Config.Boolean(name).pipe(Config.withDefault(false))

/** A user name without a password, or the other way round, is a slip that must not pass as anonymous. */
const credential = (side: "SOURCE" | "DESTINATION") =>
  Config.all({
    username: Config.option(Config.String(`CREDS_${side}_USERNAME`)),
    password: Config.option(Config.Redacted(`CREDS_${side}_PASSWORD`)),
    registries: Config.Array(Schema.String, `CREDS_${side}_REGISTRIES`).pipe(Config.withDefault([]))
  }).pipe(
    Config.map(({ password, registries, username }) =>
      Option.isNone(username) && Option.isNone(password)
        ? Option.none<ConfiguredCredential>()
        : Option.some({
            username: Option.getOrElse(username, () => ""),
            password: Option.getOrElse(password, () => Redacted.make("")),
            registries: registries.map((registry) => registry.trim().toLowerCase())
          })
    )
  )

/** What the registries' side of every way in needs. */
export const registryConfig = Config.all({
  source: credential("SOURCE"),
  destination: credential("DESTINATION"),
  disableSourceTls: flag("DISABLE_SRC_TLS_VERIFICATION"),
  disableDestinationTls: flag("DISABLE_DEST_TLS_VERIFICATION"),
  destinationRegistry: Config.option(Config.NonEmptyString("DESTINATION_DEFAULT_REGISTRY"))
}).pipe(
  Config.map(({ destination, destinationRegistry, disableDestinationTls, disableSourceTls, source }) => ({
    tlsVerify: { source: !disableSourceTls, destination: !disableDestinationTls },
    ...Option.match(destinationRegistry, {
      onNone: () => ({}),
      onSome: (registry) => ({ destinationRegistry: registry })
    }),
    credentials: {
      source,
      destination: Option.map(destination, (configured) =>
        // Without hosts of their own, the destination's credentials are for the registry that destinations default to.
        configured.registries.length === 0 && Option.isSome(destinationRegistry)
          ? { ...configured, registries: [destinationRegistry.value] }
          : configured
      )
    } satisfies Readonly<Record<RegistrySide, Option.Option<ConfiguredCredential>>>
  }))
)

/** How the operator runs in a cluster. */
export const operatorConfig = Config.all({
  engine: Config.Literals(["skopeo-job", "direct"], "COPY_ENGINE").pipe(Config.withDefault("skopeo-job" as const)),
  namespace: Config.NonEmptyString("PULL_JOB_NAMESPACE").pipe(Config.withDefault("skopeo-operator")),
  image: Config.NonEmptyString("SKOPEO_IMAGE").pipe(Config.withDefault("quay.io/containers/skopeo")),
  version: Config.NonEmptyString("SKOPEO_VERSION").pipe(Config.withDefault("v1.16.1")),
  instance: Config.NonEmptyString("INSTANCE_NAME").pipe(Config.withDefault("skopeo-operator")),
  deletionDelaySeconds: Config.Int("JOB_DELETION_DELAY_SECONDS").pipe(Config.withDefault(10)),
  metricsPort: Config.Port("METRICS_PORT").pipe(Config.withDefault(8080)),
  probesPort: Config.Port("PROBES_PORT").pipe(Config.withDefault(8081))
}).pipe(
  Config.map(({ deletionDelaySeconds, engine, image, instance, metricsPort, namespace, probesPort, version }) => ({
    engine,
    metricsPort,
    probesPort,
    job: { namespace, image: `${image}:${version}`, instance, deletionDelaySeconds } satisfies SkopeoJobOptions
  }))
)

/** Where the API server is, if this runs in a pod. */
export const inClusterConfig = Config.option(
  Config.all({
    host: Config.NonEmptyString("KUBERNETES_SERVICE_HOST"),
    port: Config.Port("KUBERNETES_SERVICE_PORT").pipe(Config.withDefault(443))
  })
)
