import { readFileSync } from "node:fs"
import { assert, it } from "@effect/vitest"
import ipaddr from "ipaddr.js"
import { parse } from "yaml"
import { METADATA } from "../../src/http/addresses.ts"

const values = parse(readFileSync(new URL("../../charts/skopeo-operator/values.yaml", import.meta.url), "utf8")) as {
  readonly networkPolicy: { readonly denyCIDRs: ReadonlyArray<string> }
}

const isWithin = (address: string, range: string): boolean => {
  const [parsed, [network, prefix]] = [ipaddr.parse(address), ipaddr.parseCIDR(range)]
  return parsed.kind() === network.kind() && parsed.match(network, prefix)
}

it.each(["169.254.169.254", "fe80::a9fe:a9fe", ...METADATA.map((range) => range.replace(/\/[0-9]+$/u, ""))])(
  "the chart's NetworkPolicies exclude the metadata service %s, to which the operator itself makes no connection",
  (address) => assert.isTrue(values.networkPolicy.denyCIDRs.some((range) => isWithin(address, range)))
)
