/**
 * A policy and Images, with what the policy says about each of them. The operator's own judgement and the chart's
 * ValidatingAdmissionPolicy are tested with this table.
 */
export const POLICY = {
  rules: [
    {
      name: "no-evil",
      deny: true,
      sources: ["evil.example", "docker.io/malware", "docker.io/$(namespace)", "10.6.6.6:5000", "fringe.example:6000/x"]
    },
    { name: "no-old", deny: true, destinations: ["Old.corp.example:443/shared"] },
    {
      name: "team-a",
      namespaces: ["zone-a", "zone-a-*"],
      sources: [
        "docker.io/bitnami",
        "index.docker.io/nginx",
        "Quay.io/prometheus",
        "10.0.0.1:5000",
        "Mirror.example:443/team",
        "intranet:443/tools",
        "registry-1.docker.io:443/grafana"
      ],
      destinations: ["registry.corp.example/$(namespace)", "registry.corp.example/shared/x-$(namespace)"],
      operatorCredentials: ["destination"],
      allow: ["privateHosts"]
    },
    {
      name: "cloud",
      namespaces: ["zone-a"],
      sources: ["docker.io"],
      destinations: ["registry.corp.example/cloud"],
      operatorCredentials: ["cloudIdentity"],
      allow: ["unverifiedTls"]
    },
    { name: "ops", namespaces: ["zone-ops"], allow: ["privateHosts", "unverifiedTls", "unboundCredentials"] }
  ]
}

/** The namespaces of the table. */
export const NAMESPACES = ["zone-a", "zone-a-1", "zone-ab", "zone-ops", "zone-other"] as const

export interface PolicyCase {
  readonly title: string
  readonly namespace: (typeof NAMESPACES)[number]
  readonly source: { readonly name: string; readonly tlsVerify?: boolean; readonly useAwsIRSA?: boolean }
  readonly destination: { readonly name: string; readonly tlsVerify?: boolean; readonly useAwsIRSA?: boolean }
  /** What the message of the refusal contains. Absent: the Image is accepted. */
  readonly refused?: RegExp
}

const corp = (path: string, rest: object = {}) => ({ name: `registry.corp.example/${path}`, ...rest })

export const CASES: ReadonlyArray<PolicyCase> = [
  {
    title: "a source below a path, a destination below the namespace",
    namespace: "zone-a",
    source: { name: "quay.io/prometheus/node-exporter" },
    destination: corp("zone-a/node-exporter")
  },
  {
    title: "a namespace by a pattern, and its own destination",
    namespace: "zone-a-1",
    source: { name: "quay.io/prometheus/node-exporter" },
    destination: corp("zone-a-1/x")
  },
  {
    title: "the destination of another namespace",
    namespace: "zone-a-1",
    source: { name: "quay.io/prometheus/node-exporter" },
    destination: corp("zone-a/x"),
    refused:
      /nearest rule is team-a: its destinations \(registry\.corp\.example\/zone-a-1, .*\) do not include registry\.corp\.example\/zone-a\/x; .* add registry\.corp\.example\/zone-a\/x to destinations of the rule team-a, or change spec\.destination\.name/u
  },
  {
    title: "a namespace that only starts like a rule's",
    namespace: "zone-ab",
    source: { name: "quay.io/prometheus/node-exporter" },
    destination: corp("zone-ab/x"),
    refused: /it is not for the namespace zone-ab.* add zone-ab to namespaces of the rule/u
  },
  {
    title: "a namespace of no rule",
    namespace: "zone-other",
    source: { name: "nginx" },
    destination: corp("zone-other/nginx"),
    refused: /it is not for the namespace zone-other/u
  },
  {
    title:
      "neither the sources nor the destinations of its namespace's rules, which are nearer than another namespace's",
    namespace: "zone-a",
    source: { name: "quay.io/other/x" },
    destination: corp("other/x"),
    refused: /nearest rule is team-a: its sources \(.*\) do not include quay\.io\/other\/x and its destinations/u
  },
  {
    title: "the namespace within a component",
    namespace: "zone-a",
    source: { name: "bitnami/redis" },
    destination: corp("shared/x-zone-a/redis")
  },
  {
    title: "a path that continues within a component",
    namespace: "zone-a",
    source: { name: "quay.io/prometheus-evil/node-exporter" },
    destination: corp("zone-a/x"),
    refused: /its sources \(.*\) do not include quay\.io\/prometheus-evil\/node-exporter/u
  },
  {
    title: "the repository of the prefix itself",
    namespace: "zone-a",
    source: { name: "quay.io/prometheus" },
    destination: corp("zone-a")
  },
  {
    title: "a registry in upper case",
    namespace: "zone-a",
    source: { name: "QUAY.io/prometheus/node-exporter" },
    destination: { name: "Registry.Corp.Example/zone-a/x" }
  },
  {
    title: "an official image of Docker Hub by its short name",
    namespace: "zone-a",
    source: { name: "nginx" },
    destination: corp("zone-a/nginx")
  },
  {
    title: "an official image of Docker Hub by its long name",
    namespace: "zone-a",
    source: { name: "registry-1.docker.io/library/nginx" },
    destination: corp("zone-a/nginx")
  },
  {
    title: "a repository below an official image",
    namespace: "zone-a",
    source: { name: "docker.io/library/nginx/x" },
    destination: corp("zone-a/nginx"),
    refused: /do not include docker\.io\/library\/nginx\/x/u
  },
  {
    title: "an organisation of Docker Hub with the name of an official image",
    namespace: "zone-a",
    source: { name: "nginx/nginx-ingress" },
    destination: corp("zone-a/nginx")
  },
  {
    title: "another organisation of Docker Hub",
    namespace: "zone-a",
    source: { name: "docker.io/evil/nginx" },
    destination: corp("zone-a/nginx"),
    refused: /do not include docker\.io\/evil\/nginx/u
  },
  {
    title: "a registry with a port",
    namespace: "zone-a",
    source: { name: "10.0.0.1:5000/x" },
    destination: corp("zone-a/x")
  },
  {
    title: "another port of a registry",
    namespace: "zone-a",
    source: { name: "quay.io:8443/prometheus/x" },
    destination: corp("zone-a/x"),
    refused: /do not include quay\.io:8443\/prometheus\/x/u
  },
  {
    title: "a source with the port of HTTPS, which its rule leaves out",
    namespace: "zone-a",
    source: { name: "QUAY.io:443/prometheus/x" },
    destination: corp("zone-a/x")
  },
  {
    title: "a destination with the port of HTTPS, which its rule leaves out",
    namespace: "zone-a",
    source: { name: "nginx" },
    destination: { name: "registry.corp.example:443/zone-a/x" }
  },
  {
    title: "a source without the port of HTTPS, which its rule has",
    namespace: "zone-a",
    source: { name: "mirror.example/team/x" },
    destination: corp("zone-a/x")
  },
  {
    title: "another path of a registry with the port of HTTPS",
    namespace: "zone-a",
    source: { name: "quay.io:443/other/x" },
    destination: corp("zone-a/x"),
    refused: /do not include quay\.io\/other\/x; .* add quay\.io\/other\/x to sources/u
  },
  {
    title: "a registry without a dot, whose name has the port of HTTPS",
    namespace: "zone-a",
    source: { name: "Intranet:443/tools/x" },
    destination: corp("zone-a/x")
  },
  {
    title: "another path of a registry without a dot",
    namespace: "zone-a",
    source: { name: "intranet:443/other/x" },
    destination: corp("zone-a/x"),
    refused: /do not include intranet:443\/other\/x; .* add intranet:443\/other\/x to sources/u
  },
  {
    title: "another port of a registry without a dot",
    namespace: "zone-a",
    source: { name: "intranet:444/tools/x" },
    destination: corp("zone-a/x"),
    refused: /do not include intranet:444\/tools\/x/u
  },
  {
    title: "Docker Hub with the port of HTTPS and an official image's short name",
    namespace: "zone-a",
    source: { name: "index.docker.io:443/nginx" },
    destination: corp("zone-a/nginx")
  },
  {
    title: "Docker Hub with the port of HTTPS in the rule",
    namespace: "zone-a",
    source: { name: "grafana/loki" },
    destination: corp("zone-a/loki")
  },
  {
    title: "Docker Hub with another port",
    namespace: "zone-a",
    source: { name: "docker.io:8443/bitnami/redis" },
    destination: corp("zone-a/redis"),
    refused: /do not include docker\.io:8443\/bitnami\/redis/u
  },
  {
    title: "a source with an IPv6 address that no rule has",
    namespace: "zone-a",
    source: { name: "[fd00::1]:443/x" },
    destination: corp("zone-a/x"),
    refused: /do not include \[fd00::1\]\/x/u
  },
  {
    title: "a destination without a registry, which has the default one",
    namespace: "zone-a",
    source: { name: "nginx" },
    destination: { name: "zone-a/nginx" }
  },
  {
    title: "a refused source, in a namespace that may do all else",
    namespace: "zone-ops",
    source: { name: "evil.example/x" },
    destination: corp("x"),
    refused:
      /its rule no-evil refuses copies from evil\.example\/x to registry\.corp\.example\/x for the namespace zone-ops/u
  },
  {
    title: "the port of HTTPS of a refused source",
    namespace: "zone-ops",
    source: { name: "evil.example:443/x" },
    destination: corp("x"),
    refused: /its rule no-evil refuses copies from evil\.example\/x/u
  },
  {
    title: "another port of a refused source",
    namespace: "zone-ops",
    source: { name: "EVIL.example:5000/x" },
    destination: corp("x"),
    refused: /its rule no-evil refuses copies from evil\.example:5000\/x/u
  },
  {
    title: "another host that ends like a refused source",
    namespace: "zone-ops",
    source: { name: "not-evil.example:5000/x" },
    destination: corp("x")
  },
  {
    title: "another name and port of Docker Hub and a refused path",
    namespace: "zone-ops",
    source: { name: "registry-1.docker.io:80/malware/x" },
    destination: corp("x"),
    refused: /its rule no-evil refuses copies from registry-1\.docker\.io:80\/malware\/x/u
  },
  {
    title: "another port of Docker Hub and an official image with the name of a refused path",
    namespace: "zone-ops",
    source: { name: "docker.io:5000/library/malware" },
    destination: corp("x"),
    refused: /its rule no-evil refuses copies from docker\.io:5000\/library\/malware/u
  },
  {
    title: "another port of Docker Hub and a path that only starts like a refused path",
    namespace: "zone-ops",
    source: { name: "docker.io:5000/malware-free/x" },
    destination: corp("x")
  },
  {
    title: "another port of Docker Hub and a refused path with the namespace",
    namespace: "zone-ops",
    source: { name: "docker.io:5000/zone-ops/x" },
    destination: corp("x"),
    refused: /its rule no-evil refuses copies from docker\.io:5000\/zone-ops\/x/u
  },
  {
    title: "a refused source with a port, by that port",
    namespace: "zone-ops",
    source: { name: "10.6.6.6:5000/x" },
    destination: corp("x"),
    refused: /its rule no-evil refuses copies from 10\.6\.6\.6:5000\/x/u
  },
  {
    title: "a refused source with a port, by another port",
    namespace: "zone-ops",
    source: { name: "10.6.6.6:6000/x" },
    destination: corp("x")
  },
  {
    title: "a refused path of a source with a port, by that port",
    namespace: "zone-ops",
    source: { name: "fringe.example:6000/x/y" },
    destination: corp("x"),
    refused: /its rule no-evil refuses copies from fringe\.example:6000\/x\/y/u
  },
  {
    title: "a refused path of a source with a port, without a port",
    namespace: "zone-ops",
    source: { name: "fringe.example/x/y" },
    destination: corp("x")
  },
  {
    title: "another port of a refused destination",
    namespace: "zone-ops",
    source: { name: "nginx" },
    destination: { name: "old.corp.example:5000/shared/x" },
    refused: /its rule no-old refuses copies from docker\.io\/library\/nginx to old\.corp\.example:5000\/shared\/x/u
  },
  {
    title: "another path of a host with a refused path",
    namespace: "zone-ops",
    source: { name: "nginx" },
    destination: { name: "old.corp.example:5000/other/x" }
  },
  {
    title: "tlsVerify: false that the rule does not allow",
    namespace: "zone-a",
    source: { name: "nginx", tlsVerify: false },
    destination: corp("zone-a/nginx"),
    refused:
      /by its rule team-a: it does not allow .*tlsVerify: false; .* add unverifiedTls to allow of the rule team-a/u
  },
  {
    title: "tlsVerify: true",
    namespace: "zone-a",
    source: { name: "nginx", tlsVerify: true },
    destination: corp("zone-a/nginx", { tlsVerify: true })
  },
  {
    title: "tlsVerify: false of a destination that the rule allows",
    namespace: "zone-a",
    source: { name: "redis" },
    destination: corp("cloud/redis", { tlsVerify: false })
  },
  {
    title: "the operator's cloud identity that the rule does not grant",
    namespace: "zone-a",
    source: { name: "nginx" },
    destination: corp("zone-a/nginx", { useAwsIRSA: true }),
    refused:
      /by its rule team-a: it does not grant the operator's cloud identity, .* add cloudIdentity to operatorCredentials of the rule team-a/u
  },
  {
    title: "the operator's cloud identity that the rule grants",
    namespace: "zone-a",
    source: { name: "redis" },
    destination: corp("cloud/redis", { useAwsIRSA: true })
  },
  {
    title: "anything where a rule allows all",
    namespace: "zone-ops",
    source: { name: "registry.test/x", tlsVerify: false },
    destination: { name: "other.example/y" }
  }
]
