import { createHash } from "node:crypto"
import { Effect } from "effect"
import { OCI_MANIFEST } from "../../../src/oci/Manifest.ts"
import { type Attack, specOf } from "../Attack.ts"
import { Content, LAYER } from "../Content.ts"
import { hostileRegistry } from "../HostileRegistry.ts"

const PAD_BYTES = 4_190_000
const COUNTS = [60, 500]

/** Indexes with as many children as a tenant likes, each as large as a manifest may be. */
export const attack: Attack = {
  gain: "the memory of the operator: the manifests below an index are held until the copy ends",
  start: Effect.fnUntraced(function* (stage) {
    const content = new Content()
    const [config, layer] = [content.config(), content.put("a layer of a fat index", LAYER)]
    const head = JSON.stringify({ schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [layer] }).slice(0, -1)
    const start = Buffer.from(`${head},"annotations":{"pad":"${"z".repeat(PAD_BYTES)}"},"n":"`)
    // The children differ in their last bytes only, so that their digests cost little.
    const hash = createHash("sha256").update(start)
    const child = (index: number) => {
      const rest = Buffer.from(`${index}"}`)
      const digest = `sha256:${hash.copy().update(rest).digest("hex")}`
      return content.lazy({ mediaType: OCI_MANIFEST, digest, size: start.length + rest.length }, () =>
        Buffer.concat([start, rest])
      )
    }
    for (const count of COUNTS)
      content.tag(`n${count}`, content.index(Array.from({ length: count }, (_, index) => child(index))))
    const { begun, host } = yield* hostileRegistry(stage, (asked, response) => content.answer(asked, response))
    return {
      begun,
      images: COUNTS.map((count) => ({
        name: `fat-index-${count}`,
        spec: specOf(stage, `${host}/fat-index`, `n${count}`),
        ends: { reasons: ["UnsupportedManifest", "InvalidAnswer"] }
      }))
    }
  })
}
