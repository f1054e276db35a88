/** What a hostile registry has to offer: documents by digest, true or not, and tags. */
import type { ServerResponse } from "node:http"
import { digestOf } from "../../src/oci/Digest.ts"
import { OCI_INDEX, OCI_MANIFEST } from "../../src/oci/Manifest.ts"
import { type Asked, respond, respondJson } from "./HostileRegistry.ts"

export interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

interface Document {
  readonly mediaType: string
  readonly size: number
  readonly bytes: () => Uint8Array
}

const CONFIG = "application/vnd.oci.image.config.v1+json"
export const LAYER = "application/vnd.oci.image.layer.v1.tar"

export class Content {
  readonly #documents = new Map<string, Document>()
  readonly #tags = new Map<string, string>()

  /** Holds a document whose bytes are made when they are asked for. */
  lazy(descriptor: Descriptor, bytes: () => Uint8Array): Descriptor {
    this.#documents.set(descriptor.digest, { mediaType: descriptor.mediaType, size: descriptor.size, bytes })
    return descriptor
  }

  put(content: string | Uint8Array | object, mediaType: string): Descriptor {
    const bytes = Buffer.from(
      typeof content === "string" || content instanceof Uint8Array ? content : JSON.stringify(content)
    )
    return this.lazy({ mediaType, digest: digestOf(bytes), size: bytes.length }, () => bytes)
  }

  config(): Descriptor {
    return this.put("{}", CONFIG)
  }

  /** A manifest with these layers, one small layer by default. */
  image(
    layers: ReadonlyArray<object> = [this.put("a layer of a hostile image", LAYER)],
    more: Readonly<Record<string, unknown>> = {}
  ): Descriptor {
    return this.put({ schemaVersion: 2, mediaType: OCI_MANIFEST, config: this.config(), layers, ...more }, OCI_MANIFEST)
  }

  index(manifests: ReadonlyArray<Descriptor>, more: Readonly<Record<string, unknown>> = {}): Descriptor {
    return this.put({ schemaVersion: 2, mediaType: OCI_INDEX, manifests, ...more }, OCI_INDEX)
  }

  tag(tag: string, { digest }: Descriptor): this {
    this.#tags.set(tag, digest)
    return this
  }

  /** Answers as an honest registry would. */
  answer({ reference, route }: Asked, response: ServerResponse): void {
    if (route === "base") return respond(response, 200)
    if (route === "tags") return respondJson(response, 200, { tags: [...this.#tags.keys()] })
    const digest = this.#tags.get(reference) ?? reference
    const document = this.#documents.get(digest)
    if (document === undefined) return respond(response, 404)
    const { mediaType, size } = document
    const headers = {
      "content-type": route === "manifests" ? mediaType : "application/octet-stream",
      "content-length": size,
      "docker-content-digest": digest
    }
    if (response.req.method === "HEAD") response.writeHead(200, headers).end()
    else respond(response, 200, document.bytes(), headers)
  }
}
