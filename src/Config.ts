/** The environment variables of the operator and the commands. Names and defaults are those of earlier releases. */
import { constants } from "node:fs"
import { access, stat } from "node:fs/promises"
import { join } from "node:path"
import { Config, Effect, Option, Redacted, Schema } from "effect"
import type { CopyLimitsOptions } from "./copy/CopyLimits.ts"
import type { JobOptions } from "./copy/job/Job.ts"
import { DEFAULT_TEMPLATE, type JobTemplate, parseJobTemplate } from "./copy/job/JobTemplate.ts"
import type { AuthFile } from "./credentials/AuthFiles.ts"
import type { AwsVariables } from "./credentials/AwsIdentity.ts"
import type { ConfiguredCredential, ConfiguredCredentials } from "./credentials/ConfiguredCredentials.ts"
import { scopeOf } from "./credentials/DockerConfig.ts"
import { innermostCause } from "./text/Cause.ts"
import { excerpt, shorten } from "./text/line.ts"
import { mistakeInHosts } from "./http/HostRule.ts"
import { parseProxy, type Proxies, type Proxy } from "./http/Proxy.ts"
import type { ListScope } from "./kube/KubeClient.ts"
import { parseLabelSelector } from "./kube/LabelSelector.ts"
import type { MetricsOptions } from "./metrics/Metrics.ts"
import { parseRegistryLimits } from "./registry/limits/configured.ts"
import { parseTokenServers } from "./registry/tokenServers.ts"
import { certificatesIn, choice, flag, mistake, whole } from "./Variable.ts"

/** The credential of a side. A name without a password, or a password without a name, must not pass as anonymous. */
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
            registries: registries.map((registry) => registry.trim())
          })
    )
  )

/** A variable in upper or lower case. The upper case wins, as in Go. */
const eitherCase = (name: string) =>
  Config.all([
    Config.option(Config.NonEmptyString(name)),
    Config.option(Config.NonEmptyString(name.toLowerCase()))
  ]).pipe(Config.map(([upper, lower]) => Option.orElse(upper, () => lower)))

const proxy = (variable: Proxy["variable"]) =>
  eitherCase(variable).pipe(
    Config.mapEffect(
      Option.match({
        onNone: () => Effect.succeed(undefined),
        onSome: (text) => Effect.mapError(Effect.fromResult(parseProxy(variable, text)), mistake)
      })
    )
  )

/** The proxies for registries. The API server is always reached without a proxy. */
const proxies = Config.all({
  https: proxy("HTTPS_PROXY"),
  http: proxy("HTTP_PROXY"),
  noProxy: eitherCase("NO_PROXY")
}).pipe(
  Config.map(({ http, https, noProxy }): Proxies => ({
    ...(https === undefined ? {} : { https }),
    ...(http === undefined ? {} : { http }),
    ...Option.match(noProxy, { onNone: () => ({}), onSome: (value) => ({ noProxy: value }) })
  }))
)

/** The certificates of authorities in a file, which are trusted in addition to the system's. */
const certificates = Config.option(Config.NonEmptyString("REGISTRY_CA_FILE")).pipe(
  Config.mapEffect(
    Option.match({
      onNone: () => Effect.succeed<ReadonlyArray<string>>([]),
      onSome: (path) => certificatesIn("REGISTRY_CA_FILE", path)
    })
  )
)

/** Fails if a file cannot be opened. The file is not read, because a pipe (`<(...)` in a shell) can be read only once. */
const checkReadable = async (path: string): Promise<void> => {
  await access(path, constants.R_OK)
  if ((await stat(path)).isDirectory()) throw new Error("EISDIR")
}

/** The file of credentials in the variable that Skopeo and Podman read too. */
const namedAuthFile = Config.option(Config.NonEmptyString("REGISTRY_AUTH_FILE")).pipe(
  Config.mapEffect(
    Option.match({
      onNone: () => Effect.succeed<ReadonlyArray<AuthFile>>([]),
      onSome: (path) =>
        Effect.tryPromise({
          try: () => checkReadable(path),
          catch: (cause) =>
            mistake(
              `REGISTRY_AUTH_FILE: "${excerpt(path, 200)}" cannot be read (${innermostCause(cause)}); name a file that docker login or podman login has written, or leave the variable empty`
            )
        }).pipe(Effect.as([{ path, variable: "REGISTRY_AUTH_FILE" }]))
    })
  )
)

/** The files with the logins of this machine's user: those of `podman login` and `skopeo login`, then of `docker login`. */
const machineAuthFiles = Config.all({
  runtime: Config.option(Config.NonEmptyString("XDG_RUNTIME_DIR")),
  config: Config.option(Config.NonEmptyString("XDG_CONFIG_HOME")),
  docker: Config.option(Config.NonEmptyString("DOCKER_CONFIG")),
  home: Config.option(Config.NonEmptyString("HOME"))
}).pipe(
  Config.map(({ config, docker, home, runtime }): ReadonlyArray<AuthFile> => {
    const inHome = (folder: string) => Option.map(home, (home) => join(home, folder))
    const folders = [
      // Without XDG_RUNTIME_DIR, as in most CI systems, Podman and Skopeo write to /run.
      Option.some(
        Option.match(runtime, {
          onNone: () => `/run/containers/${process.getuid?.() ?? 0}/auth.json`,
          onSome: (folder) => join(folder, "containers", "auth.json")
        })
      ),
      Option.map(
        Option.orElse(config, () => inHome(".config")),
        (folder) => join(folder, "containers", "auth.json")
      ),
      Option.map(
        Option.orElse(docker, () => inHome(".docker")),
        (folder) => join(folder, "config.json")
      )
    ]
    return folders.flatMap(Option.toArray).map((path) => ({ path }))
  })
)

/**
 * The directory of what the commands remember from run to run: `SKOPEO_OPERATOR_CACHE`, or `skopeo-operator` in the user's cache
 * directory. None with `SKOPEO_OPERATOR_CACHE=off`. The start of the bundle has the same rule (`compiledCode.cjs`).
 */
export const cacheDirectory = Config.all({
  own: Config.option(Config.NonEmptyString("SKOPEO_OPERATOR_CACHE")),
  caches: Config.option(Config.NonEmptyString("XDG_CACHE_HOME")),
  home: Config.option(Config.NonEmptyString("HOME"))
}).pipe(
  Config.map(({ caches, home, own }) =>
    Option.isSome(own)
      ? Option.filter(own, (directory) => directory !== "off")
      : Option.map(
          Option.orElse(caches, () => Option.map(home, (home) => join(home, ".cache"))),
          (caches) => join(caches, "skopeo-operator")
        )
  )
)

/** The rate limits that differ from the known limits of registries. */
const limits = Config.option(Config.NonEmptyString("REGISTRY_LIMITS")).pipe(
  Config.mapEffect((text) =>
    Effect.mapError(Effect.fromResult(parseRegistryLimits(Option.getOrElse(text, () => ""))), (problem) =>
      mistake(`REGISTRY_LIMITS: ${problem}`)
    )
  )
)

/** A list of hosts. */
const hosts = (name: string) =>
  Config.NonEmptyString(name).pipe(
    Config.withDefault(""),
    Config.mapEffect((list) => {
      const problem = mistakeInHosts(list)
      return problem === undefined ? Effect.succeed(list) : Effect.fail(mistake(`${name}: ${problem}`))
    })
  )

/** The token servers of another owner that get the credentials of a registry. */
const tokenServers = Config.option(Config.NonEmptyString("REGISTRY_TOKEN_SERVERS")).pipe(
  Config.mapEffect((text) =>
    Effect.mapError(Effect.fromResult(parseTokenServers(Option.getOrElse(text, () => ""))), (problem) =>
      mistake(`REGISTRY_TOKEN_SERVERS: ${problem}`)
    )
  )
)

const ifSet = <A>(config: Config.Config<A>) => Config.map(Config.option(config), Option.getOrUndefined)
const text = (name: string) => ifSet(Config.NonEmptyString(name))
const secret = (name: string) => ifSet(Config.Redacted(name))

/** The AWS identity of this process, in the variables of AWS's own tools. */
const awsVariables: Config.Config<AwsVariables> = Config.all({
  accessKeyId: text("AWS_ACCESS_KEY_ID"),
  secretAccessKey: secret("AWS_SECRET_ACCESS_KEY"),
  sessionToken: secret("AWS_SESSION_TOKEN"),
  roleArn: text("AWS_ROLE_ARN"),
  roleSessionName: text("AWS_ROLE_SESSION_NAME"),
  webIdentityTokenFile: text("AWS_WEB_IDENTITY_TOKEN_FILE"),
  containerRelativeUri: text("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
  containerFullUri: text("AWS_CONTAINER_CREDENTIALS_FULL_URI"),
  containerToken: secret("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
  containerTokenFile: text("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
  instanceEndpoint: text("AWS_EC2_METADATA_SERVICE_ENDPOINT"),
  instanceDisabled: flag("AWS_EC2_METADATA_DISABLED"),
  region: Config.all([text("AWS_REGION"), text("AWS_DEFAULT_REGION")]).pipe(
    Config.map(([region, otherwise]) => region ?? otherwise)
  ),
  ecrEndpoint: text("AWS_ENDPOINT_URL_ECR"),
  stsEndpoint: text("AWS_ENDPOINT_URL_STS")
})

/** The configuration of registries and credentials, for the operator and for each command. */
export const registryConfig = Config.all({
  source: credential("SOURCE"),
  destination: credential("DESTINATION"),
  perImage: flag("CREDENTIALS_PER_IMAGE", true),
  disableSourceTls: flag("DISABLE_SRC_TLS_VERIFICATION"),
  disableDestinationTls: flag("DISABLE_DEST_TLS_VERIFICATION"),
  destinationRegistry: Config.option(Config.NonEmptyString("DESTINATION_DEFAULT_REGISTRY")),
  certificates,
  limits,
  proxies,
  privateHosts: hosts("REGISTRY_PRIVATE_HOSTS"),
  plainHttp: hosts("REGISTRY_PLAIN_HTTP"),
  tokenServers,
  policyFile: ifSet(Config.NonEmptyString("POLICY_FILE")),
  namedAuthFile,
  machineAuthFiles,
  awsVariables
}).pipe(
  Config.map(
    ({
      awsVariables,
      certificates,
      destination,
      destinationRegistry,
      disableDestinationTls,
      disableSourceTls,
      limits,
      machineAuthFiles,
      namedAuthFile,
      perImage,
      plainHttp,
      policyFile,
      privateHosts,
      proxies,
      source,
      tokenServers
    }) => ({
      perImage,
      awsVariables,
      authFiles: { named: namedAuthFile, machine: machineAuthFiles },
      certificates,
      limits,
      plainHttp,
      privateHosts,
      ...(policyFile === undefined ? {} : { policyFile }),
      proxies,
      tokenServers,
      tlsVerify: { source: !disableSourceTls, destination: !disableDestinationTls },
      ...Option.match(destinationRegistry, {
        onNone: () => ({}),
        onSome: (registry) => ({ destinationRegistry: registry })
      }),
      credentials: {
        source,
        destination: Option.map(destination, (configured) =>
          // Without CREDS_DESTINATION_REGISTRIES the credential is bound to the default registry of destinations.
          configured.registries.length === 0 && Option.isSome(destinationRegistry)
            ? { ...configured, registries: [scopeOf(destinationRegistry.value).registry] }
            : configured
        )
      } satisfies ConfiguredCredentials
    })
  )
)

/** The name of this installation. Its Jobs and its Lease have this name. */
const instance = Config.NonEmptyString("INSTANCE_NAME").pipe(Config.withDefault("skopeo-operator"))

/** The name of a Lease: a DNS subdomain, as the API server requires. */
const LEASE_NAME = /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/u

/** The Lease of the leader. Two installations in one namespace have two instance names, and two Leases. */
const leaderElection = Config.all({
  enabled: flag("LEADER_ELECTION", true),
  namespace: Config.option(Config.NonEmptyString("LEADER_ELECTION_NAMESPACE")),
  name: Config.option(Config.NonEmptyString("LEADER_ELECTION_NAME")),
  instance
}).pipe(
  Config.mapEffect(({ enabled, instance, name, namespace }) => {
    const lease = Option.getOrElse(name, () => `${instance}.skopeo.io`)
    return !enabled || LEASE_NAME.test(lease)
      ? Effect.succeed({ enabled, namespace, name: lease })
      : Effect.fail(
          mistake(
            `LEADER_ELECTION_NAME (INSTANCE_NAME.skopeo.io by default): "${excerpt(lease, 100)}" cannot name a Lease; use lower-case letters, digits, "-" and "."`
          )
        )
  })
)

/** The most reconciles at once. */
const reconcilesAtOnce = whole("RECONCILES_AT_ONCE", 20, [1, 1_000])

/** The most copies at once. */
export const copyLimits: Config.Config<CopyLimitsOptions> = Config.all({
  total: whole("COPIES_AT_ONCE", 10, [1, 10_000]),
  perRegistry: whole("COPIES_PER_REGISTRY", 4, [1, 10_000]),
  perNamespace: whole("COPIES_PER_NAMESPACE", Infinity, [1, 10_000]),
  deadlineSeconds: whole("COPY_DEADLINE_SECONDS", 21_600, [1, 604_800])
})

/** The parts of Jobs that users may configure. */
const jobTemplate: Config.Config<JobTemplate> = Config.option(Config.NonEmptyString("JOB_TEMPLATE")).pipe(
  Config.mapEffect(
    Option.match({
      onNone: () => Effect.succeed(DEFAULT_TEMPLATE),
      onSome: (text) =>
        Effect.mapError(Effect.fromResult(parseJobTemplate(text)), (problem) => mistake(`JOB_TEMPLATE: ${problem}`))
    })
  )
)

/** The most namespaces. Each one is a watch with an open connection. */
const MOST_NAMESPACES = 64
/** The name of a namespace by RFC 1123, as the API server requires. */
const NAMESPACE = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/u

/** The mistake in a list of namespaces, and the remedy. */
const problemOf = (names: ReadonlyArray<string>): string | undefined => {
  const wrong = names.find((name) => !NAMESPACE.test(name))
  if (wrong !== undefined) {
    return `${JSON.stringify(shorten(wrong, 80))} is not the name of a namespace; give names such as team-a,team-b`
  }
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) return `"${twice}" is named twice; name the namespace once`
  return names.length > MOST_NAMESPACES
    ? `${names.length} namespaces are more than ${MOST_NAMESPACES}; leave WATCH_NAMESPACES empty to watch all namespaces, and select Images by WATCH_LABEL_SELECTOR`
    : undefined
}

const watchNamespaces = Config.option(Config.NonEmptyString("WATCH_NAMESPACES")).pipe(
  Config.mapEffect((text) => {
    const names = Option.match(text, { onNone: () => [], onSome: (text) => text.split(",").map((name) => name.trim()) })
    const problem = problemOf(names)
    return problem === undefined ? Effect.succeed(names) : Effect.fail(mistake(`WATCH_NAMESPACES: ${problem}`))
  })
)

const watchLabelSelector = Config.option(Config.NonEmptyString("WATCH_LABEL_SELECTOR")).pipe(
  Config.mapEffect((selector) =>
    Option.match(selector, {
      onNone: () => Effect.succeed(selector),
      onSome: (text) =>
        Effect.mapBoth(Effect.fromResult(parseLabelSelector(text)), {
          onFailure: (problem) => mistake(`WATCH_LABEL_SELECTOR: ${problem}`),
          onSuccess: () => selector
        })
    })
  )
)

/** The Images that the operator follows: of some or all namespaces, with some or any labels. */
const scopes = Config.all({ namespaces: watchNamespaces, labelSelector: watchLabelSelector }).pipe(
  Config.map(({ labelSelector, namespaces }): ReadonlyArray<ListScope> => {
    const labels = Option.match(labelSelector, { onNone: () => ({}), onSome: (labelSelector) => ({ labelSelector }) })
    return namespaces.length === 0 ? [labels] : namespaces.map((namespace) => ({ namespace, ...labels }))
  })
)

/** What is exposed to Prometheus. */
export const metricsConfig: Config.Config<MetricsOptions> = Config.all({ perImage: flag("METRICS_PER_IMAGE", true) })

/** The configuration of the operator in a cluster. */
export const operatorConfig = Config.all({
  engine: choice("COPY_ENGINE", ["skopeo-job", "direct"]),
  namespace: Config.NonEmptyString("PULL_JOB_NAMESPACE").pipe(Config.withDefault("skopeo-operator")),
  image: Config.NonEmptyString("SKOPEO_IMAGE").pipe(Config.withDefault("quay.io/containers/skopeo")),
  version: Config.NonEmptyString("SKOPEO_VERSION").pipe(Config.withDefault("v1.16.1")),
  instance,
  deletionDelaySeconds: whole("JOB_DELETION_DELAY_SECONDS", 10, [0, 86_400]),
  caConfigMap: Config.option(Config.NonEmptyString("REGISTRY_CA_CONFIGMAP")),
  template: jobTemplate,
  proxies,
  scopes,
  leaderElection,
  reconcilesAtOnce,
  metricsPort: whole("METRICS_PORT", 8080, [1, 65_535]),
  probesPort: whole("PROBES_PORT", 8081, [1, 65_535])
}).pipe(
  Config.map(
    ({
      caConfigMap,
      engine,
      image,
      leaderElection,
      metricsPort,
      probesPort,
      reconcilesAtOnce,
      scopes,
      version,
      ...job
    }) => ({
      engine,
      leaderElection,
      metricsPort,
      probesPort,
      reconcilesAtOnce,
      scopes,
      job: {
        ...job,
        image: `${image}:${version}`,
        ...Option.match(caConfigMap, { onNone: () => ({}), onSome: (name) => ({ caConfigMap: name }) })
      } satisfies JobOptions
    })
  )
)

/** The address of the API server, if this process runs in a pod. */
export const inClusterConfig = Config.option(
  Config.all({
    host: Config.NonEmptyString("KUBERNETES_SERVICE_HOST"),
    port: whole("KUBERNETES_SERVICE_PORT", 443, [1, 65_535])
  })
)

/** Where a user's kubeconfig is: the files of the variable, and the home directory. */
export const kubeconfigConfig = Config.all({
  variable: Config.option(Config.NonEmptyString("KUBECONFIG")),
  home: Config.option(Config.NonEmptyString(process.platform === "win32" ? "USERPROFILE" : "HOME"))
})

/** Where programs keep the state of a user, by the XDG Base Directory Specification. */
export const stateConfig = Config.all({
  xdg: Config.option(Config.NonEmptyString("XDG_STATE_HOME")),
  home: Config.option(Config.NonEmptyString("HOME"))
})
