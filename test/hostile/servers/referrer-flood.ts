import { Effect } from "effect"
import { digestOf } from "../../../src/oci/Digest.ts"
import { OCI_INDEX, OCI_MANIFEST } from "../../../src/oci/Manifest.ts"
import { type Attack, specOf } from "../Attack.ts"
import { Content } from "../Content.ts"
import { hostileRegistry, respondJson } from "../HostileRegistry.ts"

const PAGE = 24_000

/** A list of referrers in pages of 4 MB without an end. */
export const attack: Attack = {
  gain: "the memory of the operator: all pages are held until the list has ended",
  start: Effect.fnUntraced(function* (stage) {
    const content = new Content()
    content.tag("1.0.0", content.image())
    const { begun, host } = yield* hostileRegistry(stage, (asked, response) => {
      if (asked.route !== "referrers") return content.answer(asked, response)
      const page = Number(asked.query.get("page") ?? 0)
      const manifests = Array.from({ length: PAGE }, (_, index) => ({
        mediaType: OCI_MANIFEST,
        digest: digestOf(Buffer.from(`${page}.${index}`)),
        size: 1
      }))
      respondJson(
        response,
        200,
        { schemaVersion: 2, mediaType: OCI_INDEX, manifests },
        { "content-type": OCI_INDEX, link: `<${asked.path}?page=${page + 1}>; rel="next"` }
      )
    })
    return {
      begun,
      images: [
        {
          name: "referrer-flood",
          spec: specOf(stage, `${host}/referrer-flood`, "1.0.0", { referrers: true }),
          ends: { reasons: ["InvalidAnswer", "UnsupportedManifest"] }
        }
      ]
    }
  })
}
