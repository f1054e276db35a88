import { Effect } from "effect"
import { digestOf } from "../../../src/oci/Digest.ts"
import { type Attack } from "../Attack.ts"
import { Content, LAYER } from "../Content.ts"
import { hostileRegistry, respond } from "../HostileRegistry.ts"

const MIB = 1024 * 1024
const HOSTS = 5
const COPIES = 2
const LAYERS = 4
const SIZE = 64 * MIB
const PIECE = Buffer.alloc(MIB, "x")
/** So many uploads wait at once, in the copies that the limits leave to one namespace. */
const UPLOADS = 8

/** Destinations that take blobs in chunks of 32 MiB only, and answer to no chunk. */
export const attack: Attack = {
  gain: "the memory of the operator: a chunk for each blob of each copy",
  start: Effect.fnUntraced(function* (stage) {
    const content = new Content()
    const layers = Array.from({ length: LAYERS }, (_, index) => ({
      mediaType: LAYER,
      digest: digestOf(Buffer.from(`chunks ${index}`)),
      size: SIZE
    }))
    content.tag("1.0.0", content.image(layers))
    const large = new Set(layers.map(({ digest }) => digest))
    let uploads = 0
    const pair = Effect.all({
      source: hostileRegistry(stage, (asked, response) => {
        if (asked.route !== "blobs" || !large.has(asked.reference)) return content.answer(asked, response)
        response.writeHead(200, { "content-length": SIZE })
        let left = SIZE
        const proceed = (): void => {
          while (left > 0) {
            left -= PIECE.length
            if (!response.write(PIECE)) return void response.once("drain", proceed)
          }
          response.end()
        }
        proceed()
      }),
      destination: hostileRegistry(stage, ({ method, path, route }, response) => {
        if (route === "base") return respond(response, 200)
        if (method === "PATCH") return void (uploads += 1)
        if (method === "POST") {
          const headers = { location: "/v2/x/blobs/uploads/1", "oci-chunk-min-length": String(32 * MIB) }
          return respond(response, 202, "", headers)
        }
        if (method !== "PUT" || !path.includes("uploads")) return respond(response, 404)
        response.req.once("end", () => respond(response, 405))
      })
    })
    const pairs = yield* Effect.forEach(Array.from({ length: HOSTS }), () => pair)
    return {
      begun: Effect.sleep("100 millis").pipe(
        Effect.repeat({ while: () => uploads < UPLOADS }),
        // The operator has the time to read the chunks.
        Effect.andThen(Effect.sleep("5 seconds"))
      ),
      images: pairs.flatMap(({ destination, source }, index) =>
        Array.from({ length: COPIES }, (_, copy) => ({
          name: `large-chunks-${index}-${copy}`,
          spec: {
            source: { name: `${source.host}/large-chunks-${copy}`, version: "1.0.0", tlsVerify: false },
            destination: { name: `${destination.host}/large-chunks-${copy}`, tlsVerify: false }
          }
        }))
      )
    }
  })
}
