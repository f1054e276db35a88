/** Helm's releases of the chart in a real cluster, by any name and in any namespace. */
import { CLUSTER, kubectl, succeed } from "./cluster.ts"

const [operatorRepository = "", operatorTag = ""] = CLUSTER.operatorImage.split(/:(?=[^:/]*$)/u)
const [skopeoRepository = "", skopeoTag = ""] = CLUSTER.skopeoImage.split(/:(?=[^:/]*$)/u)

/** The chart, with the values for the images of the tests, as arguments of helm. */
export const CHART: ReadonlyArray<string> = [
  "charts/skopeo-operator",
  ...[
    `image.repository=${operatorRepository}`,
    `image.version=${operatorTag}`,
    `config.skopeo.image=${skopeoRepository}`,
    `config.skopeo.version=${skopeoTag}`
  ].flatMap((value) => ["--set", value])
]

export const RELEASE = "skopeo-operator"

/** Upgrades or installs a release with values, and waits until the operator is ready. */
export const upgrade = (namespace: string, values: object, ...more: ReadonlyArray<string>) =>
  succeed(
    "helm",
    [
      ...["upgrade", "--install", RELEASE, ...CHART, "-f", "-", "-n", namespace],
      ...["--create-namespace", "--wait", "--timeout", "90s", ...more]
    ],
    JSON.stringify(values)
  )

export const uninstall = (namespace: string) =>
  succeed("helm", ["uninstall", RELEASE, "-n", namespace, "--wait", "--timeout", "60s"])

/** Deletes the CRD and all Images: the kept CRD of another test belongs to a release that is not installed. */
export const removeCrd = kubectl("delete", "crd", "images.skopeo.io", "--ignore-not-found", "--timeout=60s")
