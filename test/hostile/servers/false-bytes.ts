import { Effect } from "effect"
import { digestOf } from "../../../src/oci/Digest.ts"
import { OCI_MANIFEST } from "../../../src/oci/Manifest.ts"
import { type Attack, specOf } from "../Attack.ts"
import { Content, LAYER } from "../Content.ts"
import { hostileRegistry, respond } from "../HostileRegistry.ts"

/** Manifests and blobs that are not those of their digests, or not of their sizes. */
export const attack: Attack = {
  gain: "a tag at the destination with content that its digest does not vouch for",
  start: Effect.fnUntraced(function* (stage) {
    const content = new Content()
    // No other attack brings this layer to the destination, where it would be mounted and not read.
    const layer = content.put("a layer of false bytes", LAYER)
    const other = digestOf(Buffer.from("another layer"))
    content
      .tag(
        "digest",
        content.image([content.lazy({ ...layer, digest: other }, () => Buffer.from("a layer of false bytes"))])
      )
      .tag("size", content.image([{ ...layer, size: layer.size + 3 }]))
      .tag("huge", content.image([{ ...layer, size: Number.MAX_SAFE_INTEGER }]))
      .tag("negative", content.image([{ ...layer, size: -1 }]))
      .tag("path", content.image([{ ...layer, digest: "sha256:../../../x" }]))
      .tag("algorithm", content.image([{ ...layer, digest: `md5:${"a".repeat(32)}` }]))
      .tag(
        "sha512",
        content.image([
          content.lazy({ ...layer, digest: `sha512:${"a".repeat(128)}` }, () => Buffer.from("a layer of false bytes"))
        ])
      )
    const { begun, host } = yield* hostileRegistry(stage, (asked, response) => {
      if (asked.route !== "manifests" || asked.reference !== "manifest") return content.answer(asked, response)
      const digest = digestOf(Buffer.from(asked.method === "HEAD" ? "one manifest" : "another manifest"))
      respond(response, 200, "{}", { "content-type": OCI_MANIFEST, "docker-content-digest": digest })
    })
    const endings: Readonly<Record<string, ReadonlyArray<string>>> = {
      manifest: ["DigestMismatch", "SourceNotFound"],
      digest: ["DigestMismatch"],
      size: ["DigestMismatch"],
      huge: ["DigestMismatch", "UnsupportedManifest"],
      negative: ["UnsupportedManifest"],
      path: ["UnsupportedManifest"],
      algorithm: ["UnsupportedManifest"],
      sha512: ["DigestMismatch"]
    }
    return {
      begun,
      images: Object.entries(endings).map(([tag, reasons]) => ({
        name: `false-bytes-${tag}`,
        spec: specOf(stage, `${host}/false-bytes/${tag}`, tag),
        ends: { reasons }
      }))
    }
  })
}
