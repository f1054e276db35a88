/** Helm's releases of the chart in a real cluster, by any name and in any namespace. */
import { operatorValues, succeed } from "./cluster.ts"

/** The chart, with the values for the images of the tests, as arguments of helm. */
export const CHART: ReadonlyArray<string> = ["charts/skopeo-operator", ...operatorValues()]

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
