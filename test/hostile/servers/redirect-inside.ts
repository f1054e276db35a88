import { Effect } from "effect"
import { type Attack, specOf } from "../Attack.ts"
import { hostileRegistry, respondJson, respond } from "../HostileRegistry.ts"

/** Where a registry with a public address would like to send the operator. Names are those of names.mjs. */
const PLACES = {
  private: "private.hostile.test",
  loopback: "loopback.hostile.test",
  metadata: "metadata.hostile.test",
  mapped: "mapped.hostile.test",
  nat64: "nat64.hostile.test",
  "local-nat64": "local-nat64.hostile.test",
  teredo: "teredo.hostile.test",
  "site-local": "site-local.hostile.test",
  benchmark: "benchmark.hostile.test",
  protocol: "protocol.hostile.test",
  "literal-private": "10.1.2.3",
  "literal-metadata": "169.254.169.254",
  "literal-loopback": "127.0.0.1",
  "literal-short": "127.1",
  "literal-hex": "0x0a010203",
  "literal-number": "167838211",
  "literal-octal": "012.1.2.3",
  "literal-any": "0.0.0.0",
  "literal-ipv6": "[::1]",
  "literal-mapped": "[::ffff:169.254.169.254]"
}

/** A registry with a public address that redirects to addresses of the cluster, of the node and of the cloud. */
export const attack: Attack = {
  gain: "answers of services that only the operator reaches, such as the credentials of a metadata service",
  needsNames: true,
  start: Effect.fnUntraced(function* (stage) {
    const inside = yield* hostileRegistry(stage, (_, response) => respondJson(response, 200, { tags: ["9.9.9"] }))
    const port = inside.host.slice(inside.host.lastIndexOf(":"))
    const { begun, host } = yield* hostileRegistry(stage, ({ repository }, response) => {
      const place = Object.entries(PLACES).find(([name]) => repository.endsWith(`/${name}`))?.[1]
      respond(response, 307, "", { location: `http://${place ?? ""}${port}/v2/inside/tags/list` })
    })
    const name = `public.hostile.test${host.slice(host.lastIndexOf(":"))}`
    return {
      begun,
      images: Object.keys(PLACES).map((place) => ({
        name: `redirect-inside-${place}`,
        spec: specOf(stage, `${name}/redirect-inside/${place}`, "1.0.x"),
        ends: { reasons: ["InvalidAnswer", "Unreachable"] }
      })),
      gains: () => inside.asked.map(({ path }) => `the operator asked an inner host for ${path}`)
    }
  })
}
