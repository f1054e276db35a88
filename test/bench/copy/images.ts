/** The images of the bench: incompressible bytes, the same on every machine. */
import { createCipheriv, createHash } from "node:crypto"
import { Effect, Stream } from "effect"
import { digestOf } from "../../../src/oci/Digest.ts"
import { OCI_INDEX, OCI_MANIFEST } from "../../../src/oci/Manifest.ts"
import type { BlobDescriptor, Manifest } from "../../../src/oci/Manifest.ts"
import { RegistryClient, type RepositoryAccess } from "../../../src/registry/RegistryClient.ts"

interface Blob extends BlobDescriptor {
  readonly chunks: () => Iterable<Uint8Array>
}

export interface BenchImage {
  readonly tag: string
  /** The manifests, written under their digests. The tag names the last one. */
  readonly manifests: ReadonlyArray<Manifest>
  readonly blobs: ReadonlyArray<Blob>
}

export interface BenchRepository {
  readonly path: string
  readonly images: ReadonlyArray<BenchImage>
}

const MIB = 1024 * 1024

function* bytesOf(seed: string, size: number): Generator<Uint8Array> {
  const key = createHash("sha256").update(seed).digest()
  const cipher = createCipheriv("aes-128-ctr", key.subarray(0, 16), key.subarray(16))
  const zeros = Buffer.alloc(Math.min(size, MIB))
  for (let left = size; left > 0; left -= zeros.length) yield cipher.update(zeros.subarray(0, Math.min(left, MIB)))
}

const layer = (seed: string, size: number): Blob => {
  const hash = createHash("sha256")
  for (const chunk of bytesOf(seed, size)) hash.update(chunk)
  return { digest: `sha256:${hash.digest("hex")}`, size, chunks: () => bytesOf(seed, size) }
}

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))

const manifestOf = (mediaType: string, content: object): Manifest => {
  const bytes = json({ schemaVersion: 2, mediaType, ...content })
  return { bytes, mediaType, digest: digestOf(bytes), size: bytes.length }
}

/** An image of one platform. */
const image = (tag: string, layers: ReadonlyArray<Blob>, architecture = "amd64"): BenchImage => {
  const bytes = json({
    architecture,
    os: "linux",
    config: { Labels: { tag } },
    rootfs: { type: "layers", diff_ids: layers.map(({ digest }) => digest) }
  })
  const config: Blob = { digest: digestOf(bytes), size: bytes.length, chunks: () => [bytes] }
  const described = (mediaType: string, { digest, size }: Blob) => ({ mediaType, digest, size })
  const manifest = manifestOf(OCI_MANIFEST, {
    config: described("application/vnd.oci.image.config.v1+json", config),
    layers: layers.map((blob) => described("application/vnd.oci.image.layer.v1.tar+gzip", blob))
  })
  return { tag, manifests: [manifest], blobs: [config, ...layers] }
}

const index = (tag: string, images: Readonly<Record<string, BenchImage>>): BenchImage => {
  const manifests = Object.values(images).flatMap(({ manifests }) => manifests)
  const root = manifestOf(OCI_INDEX, {
    manifests: Object.entries(images).flatMap(([architecture, { manifests }]) =>
      manifests.map(({ digest, mediaType, size }) => ({
        mediaType,
        digest,
        size,
        platform: { os: "linux", architecture }
      }))
    )
  })
  return { tag, manifests: [...manifests, root], blobs: Object.values(images).flatMap(({ blobs }) => blobs) }
}

const layers = (seed: string, count: number, size: number): ReadonlyArray<Blob> =>
  Array.from({ length: count }, (_, number) => layer(`${seed}/${number}`, size))

/** An index of two platforms with four layers each. */
export const multi = (): ReadonlyArray<BenchRepository> => {
  const platform = (architecture: string) =>
    image("1.0.0", layers(`multi/${architecture}`, 4, 5.25 * MIB), architecture)
  return [{ path: "multi", images: [index("1.0.0", { amd64: platform("amd64"), arm64: platform("arm64") })] }]
}

/** One image in four layers. */
export const ofSize = (path: string, size: number): ReadonlyArray<BenchRepository> => [
  { path, images: [image("1.0.0", layers(path, 4, size / 4))] }
]

/** Sixty tags. All have two layers in common, and each has one layer of its own. */
export const many = (): ReadonlyArray<BenchRepository> => {
  const shared = layers("many", 2, 2 * MIB)
  const images = Array.from({ length: 60 }, (_, number) =>
    image(`1.0.${number}`, [...shared, layer(`many/own/${number}`, 48 * 1024)])
  )
  return [{ path: "many", images }]
}

/** Two repositories with three layers in common. */
export const mount = (): ReadonlyArray<BenchRepository> => {
  const shared = layers("mount", 3, 32 * MIB)
  return ["mount/a", "mount/b"].map((path) => ({
    path,
    images: [image("1.0.0", [...shared, layer(path, 100 * 1024)])]
  }))
}

/** The images that an operator copies before the bench: forty small indexes of two platforms. */
export const warmUp = (): ReadonlyArray<BenchRepository> =>
  Array.from({ length: 40 }, (_, number) => {
    const platform = (architecture: string) =>
      image("1.0.0", layers(`warm-up/${number}/${architecture}`, 4, 64 * 1024), architecture)
    return {
      path: `warm-up/${number}`,
      images: [index("1.0.0", { amd64: platform("amd64"), arm64: platform("arm64") })]
    }
  })

const blobsOf = ({ images }: BenchRepository): ReadonlyArray<Blob> => [
  ...new Map(images.flatMap(({ blobs }) => blobs).map((blob) => [blob.digest, blob])).values()
]

/** Pushes a repository to a registry. */
export const push = (access: RepositoryAccess, repository: BenchRepository) =>
  Effect.gen(function* () {
    const client = yield* RegistryClient
    yield* Effect.forEach(
      blobsOf(repository),
      (blob) => client.putBlob(access, blob, Stream.fromIterable(blob.chunks(), { chunkSize: 1 })),
      { discard: true }
    )
    for (const { manifests, tag } of repository.images) {
      for (const manifest of manifests) yield* client.putManifest(access, manifest.digest, manifest)
      const root = manifests.at(-1)
      if (root !== undefined) yield* client.putManifest(access, tag, root)
    }
  })

/** Fails if a registry lacks a byte of a repository. */
export const verify = (access: RepositoryAccess, repository: BenchRepository) =>
  Effect.gen(function* () {
    const client = yield* RegistryClient
    for (const { manifests, tag } of repository.images) {
      for (const { digest } of manifests) yield* client.manifest(access, digest)
      const found = yield* client.manifest(access, tag)
      if (found.digest !== manifests.at(-1)?.digest) {
        return yield* Effect.die(new Error(`${access.repository.path}:${tag} is ${found.digest}`))
      }
    }
    yield* Effect.forEach(blobsOf(repository), (blob) => Stream.runDrain(client.blob(access, blob)), { discard: true })
  })
