import { Effect } from "effect"
import { digestOf } from "../../../src/oci/Digest.ts"
import { OCI_MANIFEST } from "../../../src/oci/Manifest.ts"
import { type Attack, specOf } from "../Attack.ts"
import { endless, FILL, hostileRegistry, respond } from "../HostileRegistry.ts"

/** A manifest without an end. */
export const attack: Attack = {
  gain: "the memory of the operator: a manifest is held as a whole",
  start: Effect.fnUntraced(function* (stage) {
    const digest = digestOf(Buffer.from("endless"))
    const { begun, host } = yield* hostileRegistry(stage, ({ method, route }, response) => {
      if (route !== "manifests") return respond(response, route === "base" ? 200 : 404)
      response.writeHead(200, { "content-type": OCI_MANIFEST, "docker-content-digest": digest })
      if (method === "HEAD") response.end()
      else endless(response, FILL)
    })
    return {
      begun,
      images: [
        {
          name: "endless-manifest",
          spec: specOf(stage, `${host}/endless-manifest`, "1.0.0"),
          ends: { reasons: ["InvalidAnswer"] }
        }
      ]
    }
  })
}
