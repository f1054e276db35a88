import { Effect } from "effect"
import { pushSampleImage } from "../../../src/registry/memory/SampleImage.ts"
import { RegistryStore } from "../../../src/registry/memory/RegistryStore.ts"
import { blobsOf } from "../../support/seeding.ts"
import { type Attack, HONEST_SEED, specOf } from "../Attack.ts"
import { Content, LAYER } from "../Content.ts"
import { hostileRegistry } from "../HostileRegistry.ts"

const SIZE = 1_000_000_000
const PIECE_MILLIS = 8_000
const PIECE = Buffer.alloc(131_072, "x")

/** An image that claims the blobs of an honest image, sends them slowly, and gives them another size. */
export const attack: Attack = {
  gain: "the copies of all others that need a blob of the same digest, such as a layer of a public base image",
  start: Effect.fnUntraced(function* (stage) {
    const content = new Content()
    const honest = new RegistryStore()
    pushSampleImage(honest, "honest", "1.0.0", HONEST_SEED)
    const digests = blobsOf(honest, "honest", "1.0.0")
    content.tag("1.0.0", content.image(digests.map((digest) => ({ mediaType: LAYER, digest, size: SIZE }))))
    const { begun, host } = yield* hostileRegistry(stage, (asked, response, pace) => {
      if (!digests.includes(asked.reference)) return content.answer(asked, response)
      response.writeHead(200, { "content-length": SIZE })
      pace.drip(response, PIECE_MILLIS, PIECE)
    })
    return { begun, images: [{ name: "known-digest", spec: specOf(stage, `${host}/known-digest`, "1.0.0") }] }
  })
}
