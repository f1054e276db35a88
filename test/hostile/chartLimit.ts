/** The memory that the chart gives to the operator by default. */
import { readFileSync } from "node:fs"
import { parse } from "yaml"

const values = parse(readFileSync(new URL("../../charts/skopeo-operator/values.yaml", import.meta.url), "utf8")) as {
  readonly resources: { readonly limits: { readonly memory: string } }
}

/** In MiB. */
export const CHART_LIMIT = Number(/^([0-9]+)Mi$/u.exec(values.resources.limits.memory)?.[1])
