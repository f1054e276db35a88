import { Effect } from "effect"
import { OCI_INDEX, OCI_MANIFEST } from "../../../src/oci/Manifest.ts"
import { type Attack, specOf } from "../Attack.ts"
import { Content } from "../Content.ts"
import { hostileRegistry } from "../HostileRegistry.ts"

/** Documents that are an image for one reader and an index for another, or that name another type than their header. */
export const attack: Attack = {
  gain: "one digest with two meanings: what is scanned and signed is not what runs",
  start: Effect.fnUntraced(function* (stage) {
    const content = new Content()
    const [config, image] = [content.config(), content.image()]
    const both = { schemaVersion: 2, config, layers: [], manifests: [image] }
    content
      .tag("manifest", content.put({ ...both, mediaType: OCI_MANIFEST }, OCI_MANIFEST))
      .tag("index", content.put({ ...both, mediaType: OCI_INDEX }, OCI_INDEX))
      .tag("header", content.put({ schemaVersion: 2, mediaType: OCI_INDEX, config, layers: [] }, OCI_MANIFEST))
    const { begun, host } = yield* hostileRegistry(stage, (asked, response) => content.answer(asked, response))
    return {
      begun,
      images: ["manifest", "index", "header"].map((tag) => ({
        name: `ambiguous-${tag}`,
        spec: specOf(stage, `${host}/ambiguous/${tag}`, tag),
        ends: { reasons: ["UnsupportedManifest"] }
      }))
    }
  })
}
