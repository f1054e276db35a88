/** The environment variables of the operator and the commands. A test compares the table with what `src/Config.ts` reads. */

export interface Variable {
  readonly name: string
  /** The value that the variable has if it is not set. Absent for a variable without a default value. */
  readonly value?: string
  /** The default in words, where it is not a value. */
  readonly otherwise?: string
  readonly meaning: string
  /** The value of the chart that sets the variable. */
  readonly chart?: string
}

export interface VariableGroup {
  readonly title: string
  readonly variables: ReadonlyArray<Variable>
}

export const VARIABLE_GROUPS: ReadonlyArray<VariableGroup> = [
  {
    title: "Credentials",
    variables: [
      {
        name: "CREDS_SOURCE_USERNAME",
        meaning: "The user name for sources. A user name without a password is sent with an empty password.",
        chart: "config.credentials.sourceUsername"
      },
      {
        name: "CREDS_SOURCE_PASSWORD",
        meaning: "The password for sources.",
        chart: "config.credentials.sourcePassword"
      },
      {
        name: "CREDS_SOURCE_REGISTRIES",
        otherwise: "every registry that an Image names",
        meaning:
          "The registries that get the credentials of sources, as host or host/path, separated by commas. Set it, or every writer of Images can have the password sent to a host of their own.",
        chart: "config.source.registries"
      },
      {
        name: "CREDS_DESTINATION_USERNAME",
        meaning: "The user name for destinations.",
        chart: "config.credentials.destinationUsername"
      },
      {
        name: "CREDS_DESTINATION_PASSWORD",
        meaning: "The password for destinations.",
        chart: "config.credentials.destinationPassword"
      },
      {
        name: "CREDS_DESTINATION_REGISTRIES",
        otherwise: "`DESTINATION_DEFAULT_REGISTRY` if it is set, or else every registry that an Image names",
        meaning: "The registries that get the credentials of destinations.",
        chart: "config.destination.registries"
      },
      {
        name: "REGISTRY_AUTH_FILE",
        meaning: "A file with credentials by registry, as docker login writes it.",
        chart: "config.credentials.authSecret"
      },
      {
        name: "CREDENTIALS_PER_IMAGE",
        value: "true",
        meaning: "Whether Images may name their own Secrets.",
        chart: "credentials.perImage"
      },
      {
        name: "POLICY_FILE",
        otherwise: "no policy",
        meaning: "A file with the policy of a shared cluster, see [policy.md](policy.md).",
        chart: "policy"
      }
    ]
  },
  {
    title: "Registries",
    variables: [
      {
        name: "DESTINATION_DEFAULT_REGISTRY",
        otherwise: "`docker.io`",
        meaning: "The registry of a destination whose name has no registry.",
        chart: "config.destination.defaultRegistry"
      },
      {
        name: "DISABLE_SRC_TLS_VERIFICATION",
        value: "false",
        meaning: "true accepts any certificate of a source, and allows plain HTTP, unless the Image sets tlsVerify.",
        chart: "config.source.disabledTlsCheck"
      },
      {
        name: "DISABLE_DEST_TLS_VERIFICATION",
        value: "false",
        meaning: "The same for destinations.",
        chart: "config.destination.disabledTlsCheck"
      },
      {
        name: "REGISTRY_CA_FILE",
        otherwise: "the system's certificates",
        meaning: "A file with PEM certificates to trust for registries, in addition to the system's.",
        chart: "config.registries.caConfigMap"
      },
      {
        name: "REGISTRY_LIMITS",
        otherwise: "the published limits of registries",
        meaning: "Rate limits of registries, see [Rate limits](registries.md#rate-limits).",
        chart: "config.registries.limits"
      },
      {
        name: "REGISTRY_PRIVATE_HOSTS",
        meaning:
          "Private hosts to which a registry of another host may redirect, or send for tokens or uploads. Written as NO_PROXY.",
        chart: "config.registries.privateHosts"
      },
      {
        name: "REGISTRY_PLAIN_HTTP",
        meaning: "Hosts to which credentials may be sent by plain HTTP. Written as NO_PROXY.",
        chart: "config.registries.plainHttp"
      },
      {
        name: "REGISTRY_TOKEN_SERVERS",
        meaning: "Token servers of another owner that get the credentials of a registry, as registry=server,…",
        chart: "config.registries.tokenServers"
      },
      {
        name: "HTTPS_PROXY",
        meaning:
          "The proxy for requests to registries by HTTPS, as http://HOST:PORT. Lower case works too. The API server is never reached through a proxy.",
        chart: "config.proxy.https"
      },
      { name: "HTTP_PROXY", meaning: "The proxy for requests by plain HTTP.", chart: "config.proxy.http" },
      {
        name: "NO_PROXY",
        meaning: "Hosts that are reached without a proxy, by the rules of Go programs.",
        chart: "config.proxy.noProxy"
      }
    ]
  },
  {
    title: "Copies",
    variables: [
      {
        name: "COPY_ENGINE",
        value: "skopeo-job",
        meaning: "How the operator copies: skopeo-job by Kubernetes Jobs, direct in its own process.",
        chart: "config.copyEngine"
      },
      {
        name: "COPIES_AT_ONCE",
        value: "10",
        meaning:
          "The most copies at once. If one namespace has all slots, one copy of another namespace runs beside them.",
        chart: "config.copies.total"
      },
      {
        name: "COPIES_PER_REGISTRY",
        value: "4",
        meaning: "The most copies at once from or to one registry.",
        chart: "config.copies.perRegistry"
      },
      {
        name: "COPIES_PER_NAMESPACE",
        otherwise: "no limit",
        meaning: "The most copies at once of the Images of one namespace.",
        chart: "config.copies.perNamespace"
      },
      {
        name: "COPY_DEADLINE_SECONDS",
        value: "21600",
        meaning: "The longest time of a copy with COPY_ENGINE=direct. Jobs have deadlineSeconds in JOB_TEMPLATE.",
        chart: "config.copies.deadlineSeconds"
      },
      {
        name: "PULL_JOB_NAMESPACE",
        value: "skopeo-operator",
        meaning: "The namespace of Jobs. Without the chart's value it is the namespace of the release.",
        chart: "config.pullJobNamespace"
      },
      {
        name: "SKOPEO_IMAGE",
        value: "quay.io/containers/skopeo",
        meaning: "The image of Jobs, without its tag.",
        chart: "config.skopeo.image"
      },
      {
        name: "SKOPEO_VERSION",
        value: "v1.16.1",
        meaning: "The tag of the image of Jobs.",
        chart: "config.skopeo.version"
      },
      {
        name: "JOB_DELETION_DELAY_SECONDS",
        value: "10",
        meaning: "How long a Job is kept after its copy is recorded.",
        chart: "config.jobDeletionDelaySeconds"
      },
      {
        name: "JOB_TEMPLATE",
        otherwise: "see [jobs.md](jobs.md)",
        meaning: "A JSON object with other settings of Jobs and their pods.",
        chart: "config.jobs"
      },
      {
        name: "REGISTRY_CA_CONFIGMAP",
        meaning: "A ConfigMap with certificates for Jobs, in the namespace of Jobs.",
        chart: "config.registries.caConfigMap"
      }
    ]
  },
  {
    title: "The operator in a cluster",
    variables: [
      {
        name: "WATCH_NAMESPACES",
        otherwise: "all namespaces",
        meaning: "The namespaces whose Images the operator follows, separated by commas, at most 64.",
        chart: "watchNamespaces"
      },
      {
        name: "WATCH_LABEL_SELECTOR",
        otherwise: "all Images",
        meaning: "The labels of the Images that the operator follows, as in kubectl get -l.",
        chart: "watchLabelSelector"
      },
      {
        name: "INSTANCE_NAME",
        value: "skopeo-operator",
        meaning:
          "The name of this installation, which distinguishes the Jobs and the Leases of two operators in one namespace. The chart sets the name of the release, with its namespace if Jobs have another namespace.",
        chart: "instanceName"
      },
      {
        name: "LEADER_ELECTION",
        value: "true",
        meaning:
          "Whether the processes elect a leader, which alone makes copies, see [jobs.md](jobs.md#more-than-one-replica).",
        chart: "leaderElection.enabled"
      },
      {
        name: "LEADER_ELECTION_NAME",
        otherwise: "`INSTANCE_NAME`.skopeo.io",
        meaning: "The Lease of the election. The chart sets the name."
      },
      {
        name: "LEADER_ELECTION_NAMESPACE",
        otherwise: "the namespace of the pod",
        meaning: "The namespace of the Lease."
      },
      {
        name: "RECONCILES_AT_ONCE",
        value: "20",
        meaning: "The most Images that are reconciled at once.",
        chart: "config.reconcilesAtOnce"
      },
      { name: "METRICS_PORT", value: "8080", meaning: "The port of /metrics.", chart: "ports.metrics" },
      { name: "PROBES_PORT", value: "8081", meaning: "The port of /healthz and /readyz.", chart: "ports.probes" },
      {
        name: "KUBERNETES_SERVICE_HOST",
        otherwise: "a kubeconfig",
        meaning: "The address of the API server. Kubernetes sets it in each pod."
      },
      {
        name: "KUBERNETES_SERVICE_PORT",
        value: "443",
        meaning: "The port of the API server. Kubernetes sets it in each pod."
      }
    ]
  },
  {
    title: "The commands",
    variables: [
      {
        name: "SKOPEO_OPERATOR_CACHE",
        otherwise: "`skopeo-operator` in `XDG_CACHE_HOME`",
        meaning:
          "The folder with facts that the next run uses, such as which repository has which blob. off keeps nothing. The folder may be deleted at any time."
      },
      { name: "XDG_CACHE_HOME", otherwise: "`~/.cache`", meaning: "The folder of the user's caches." },
      {
        name: "XDG_STATE_HOME",
        otherwise: "`~/.local/state`",
        meaning: "The folder in which `sync --watch` keeps the status of the Images, in `skopeo-operator`."
      },
      {
        name: "KUBECONFIG",
        otherwise: "`~/.kube/config`",
        meaning: "The kubeconfig of the commands for a cluster, and of the operator outside of a cluster."
      }
    ]
  },
  {
    title: "Logins of this machine",
    variables: [
      {
        name: "XDG_RUNTIME_DIR",
        otherwise: "`/run/containers/UID` has the file",
        meaning: "The folder with containers/auth.json, which podman login and skopeo login write."
      },
      { name: "XDG_CONFIG_HOME", otherwise: "`~/.config`", meaning: "The folder with containers/auth.json." },
      {
        name: "DOCKER_CONFIG",
        otherwise: "`~/.docker`",
        meaning: "The folder with config.json, which docker login writes."
      },
      { name: "HOME", meaning: "The folder that ~ stands for." }
    ]
  },
  {
    title: "The AWS identity",
    variables: [
      { name: "AWS_ACCESS_KEY_ID", meaning: "An access key. It is tried first." },
      { name: "AWS_SECRET_ACCESS_KEY", meaning: "The secret of the access key." },
      { name: "AWS_SESSION_TOKEN", meaning: "The token of a temporary access key." },
      { name: "AWS_WEB_IDENTITY_TOKEN_FILE", meaning: "The token of a web identity (IRSA)." },
      { name: "AWS_ROLE_ARN", meaning: "The role of the web identity." },
      { name: "AWS_ROLE_SESSION_NAME", meaning: "The name of the session of the web identity." },
      {
        name: "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        meaning: "The endpoint of the container (EKS Pod Identity)."
      },
      { name: "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", meaning: "The same, as a path (ECS)." },
      { name: "AWS_CONTAINER_AUTHORIZATION_TOKEN", meaning: "The token for the endpoint of the container." },
      { name: "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", meaning: "A file with the token." },
      { name: "AWS_EC2_METADATA_DISABLED", value: "false", meaning: "true does not ask the metadata of the instance." },
      { name: "AWS_EC2_METADATA_SERVICE_ENDPOINT", meaning: "Another address of the metadata of the instance." },
      { name: "AWS_REGION", meaning: "The region of the token service." },
      { name: "AWS_DEFAULT_REGION", meaning: "The region if AWS_REGION is not set." },
      { name: "AWS_ENDPOINT_URL_ECR", meaning: "Another address of the API of ECR." },
      { name: "AWS_ENDPOINT_URL_STS", meaning: "Another address of the token service." }
    ]
  }
]
