/** One copy between two embedded registries over HTTP, and faults of either side. */
import { assert } from "@effect/vitest"
import type { ServerResponse } from "node:http"
import { Effect, Option, Result } from "effect"
import type { CopyProgress } from "../../src/domain/Copy.ts"
import { digestOf } from "../../src/oci/Digest.ts"
import {
  type EmbeddedRegistry,
  type EmbeddedRegistryOptions,
  type Intercept,
  startRegistry
} from "../../src/registry/memory/EmbeddedRegistry.ts"
import { isForeign, partsOf } from "../../src/oci/Manifest.ts"
import type { RepositoryAccess } from "../../src/registry/RegistryClient.ts"
import type { RegistryErrorTag, Side } from "../../src/registry/RegistryError.ts"
import * as RegistryClientHttp from "../../src/registry/RegistryClientHttp.ts"
import type { RegistryStore } from "../../src/registry/memory/RegistryStore.ts"
import { errorBody, json, pathOf } from "./ScriptedServer.ts"
import { copyImage, withPlacement } from "./copying.ts"

export const SOURCE = "upstream/app"
export const DESTINATION = "mirror/app"

export const clientOf = (options: RegistryClientHttp.RegistryClientHttpOptions = {}) =>
  withPlacement(RegistryClientHttp.layer(options))
export const client = clientOf()

export const accessTo = (registry: string, path: string): RepositoryAccess => ({
  repository: { registry, path },
  tlsVerify: false,
  credential: Option.none()
})

/** Two registries with the options of a test. */
export const worldOf = Effect.fnUntraced(function* (
  sides: { readonly source?: EmbeddedRegistryOptions; readonly destination?: EmbeddedRegistryOptions } = {}
) {
  return { source: yield* startRegistry(sides.source), destination: yield* startRegistry(sides.destination) }
})

export interface World {
  readonly source: EmbeddedRegistry
  readonly destination: EmbeddedRegistry
}

export const copy = (
  world: World,
  digest: string,
  onProgress?: (progress: CopyProgress) => void,
  layer: typeof client = client
) =>
  copyImage({
    source: accessTo(world.source.host, SOURCE),
    digest,
    destination: accessTo(world.destination.host, DESTINATION),
    tag: "v1",
    ...(onProgress === undefined ? {} : { onProgress })
  }).pipe(Effect.provide(layer))

/** Asserts that the copy fails with a reason and texts, and that the tag stays as it was. */
export const failsWith = Effect.fnUntraced(function* (
  world: World,
  digest: string,
  side: Side,
  reason: RegistryErrorTag,
  words: ReadonlyArray<string> = []
) {
  const before = world.destination.store.manifest(DESTINATION, "v1")?.digest
  const result = yield* Effect.result(copy(world, digest))
  assert(Result.isFailure(result), "should have failed")
  const error = result.failure
  assert.deepStrictEqual([error.side, error.reason._tag], [side, reason], error.message)
  assert.include(error.repository, side === "source" ? SOURCE : DESTINATION)
  for (const word of words) assert.include(error.message, word)
  assert.strictEqual(world.destination.store.manifest(DESTINATION, "v1")?.digest, before)
  assertNothingHalf(world.destination.store)
})

/** Asserts that each tag of the destination has all its parts, and that each part has its digest. */
export const assertNothingHalf = (store: RegistryStore): void => {
  const assertWhole = (reference: string): void => {
    const manifest = store.manifest(DESTINATION, reference)
    assert(manifest !== undefined && digestOf(manifest.bytes) === manifest.digest, `manifest ${reference}`)
    const parts = Option.getOrThrow(partsOf(manifest))
    if (parts._tag === "Index") return parts.children.forEach((child) => assertWhole(child.digest))
    for (const part of parts.blobs.filter((blob) => !isForeign(blob))) {
      const bytes = store.blob(DESTINATION, part.digest)
      assert(bytes !== undefined && digestOf(bytes) === part.digest, `blob ${part.digest}`)
    }
  }
  for (const tag of store.tags(DESTINATION) ?? []) assertWhole(tag)
}

/** Asserts that the destination has a manifest and all its parts, byte for byte. */
export const assertEqual = (source: RegistryStore, destination: RegistryStore, reference: string): void => {
  const manifest = source.manifest(SOURCE, reference)
  assert(manifest !== undefined)
  const there = destination.manifest(DESTINATION, reference)
  assert(there !== undefined && Buffer.from(there.bytes).equals(manifest.bytes), `manifest ${reference}`)
  assert.strictEqual(there.mediaType, manifest.mediaType)
  const parts = Option.getOrThrow(partsOf(manifest))
  if (parts._tag === "Index") {
    for (const child of parts.children) assertEqual(source, destination, child.digest)
  } else {
    for (const part of parts.blobs.filter((blob) => !isForeign(blob))) {
      const bytes = destination.blob(DESTINATION, part.digest)
      assert(bytes !== undefined && digestOf(bytes) === part.digest, `blob ${part.digest}`)
    }
  }
}

export const uploads = (requests: ReadonlyArray<string>): ReadonlyArray<string> =>
  requests.filter((request) => request.startsWith("PUT /v2/mirror/app/blobs/"))

export const manifestPuts = (requests: ReadonlyArray<string>): ReadonlyArray<string> =>
  requests.filter((request) => request.startsWith("PUT /v2/mirror/app/manifests/"))

export const putJson = (store: RegistryStore, reference: string, mediaType: string, content: unknown) => {
  const bytes = Buffer.from(JSON.stringify(content))
  const digest = store.putManifest(SOURCE, reference, bytes, mediaType)
  return { digest, mediaType, size: bytes.length }
}

export const putBlob = (store: RegistryStore, text: string) => {
  const bytes = Buffer.from(text)
  return { digest: store.putBlob(SOURCE, bytes), size: bytes.length }
}

/** Intercepts the nth request of a method and a path. The registry answers the other requests. */
export const nth = (method: string, part: string, n: number, answer: (response: ServerResponse) => void): Intercept => {
  let count = 0
  return (request, response) => {
    if (request.method !== method || !pathOf(request).includes(part)) return false
    count += 1
    if (count !== n) return false
    answer(response)
    return true
  }
}

/** Intercepts each request of a method and a path. */
export const every =
  (method: string, part: string, answer: (response: ServerResponse) => void): Intercept =>
  (request, response) => {
    if (request.method !== method || !pathOf(request).includes(part)) return false
    answer(response)
    return true
  }

export const cut = (response: ServerResponse): void => void response.destroy()
export const sends = (bytes: Uint8Array) => (response: ServerResponse) => void response.end(bytes)
export const refuses = (status: number, code: string) => (response: ServerResponse) =>
  json(response, status, errorBody(code, "the registry's words"))

export const childrenOf = (store: RegistryStore, digest: string) => {
  const index = store.manifest(SOURCE, digest)
  const parts = index === undefined ? undefined : Option.getOrUndefined(partsOf(index))
  if (parts?._tag !== "Index") return []
  return parts.children.map((child) => {
    const manifest = store.manifest(SOURCE, child.digest)
    const inner = manifest === undefined ? undefined : Option.getOrUndefined(partsOf(manifest))
    return inner?._tag === "Manifest" ? inner.blobs : []
  })
}
