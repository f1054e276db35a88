/** Small real images for tests and demonstrations. The same seed gives the same bytes. */
import { createHash } from "node:crypto"
import { constants, gzipSync } from "node:zlib"
import { digestOf } from "../../oci/Digest.ts"
import { OCI_INDEX, OCI_MANIFEST } from "../../oci/Manifest.ts"
import type { RegistryStore } from "./RegistryStore.ts"

export interface SampleImageOptions {
  /** Platforms as `os/architecture`. Default linux/amd64 and linux/arm64. */
  readonly platforms?: ReadonlyArray<string>
  /** The size of the file in each platform's layer, in bytes. Default 4,096. */
  readonly layerSize?: number
}

/** Pseudorandom bytes. The same seed gives the same bytes. */
const bytesOf = (seed: string, size: number): Buffer =>
  createHash("shake256", { outputLength: size }).update(seed).digest()

/** A tar archive of one file (POSIX ustar). */
const tarOf = (name: string, content: Uint8Array): Buffer => {
  const header = Buffer.alloc(512)
  const octal = (value: number, width: number) => `${value.toString(8).padStart(width - 1, "0")}\0`
  header.write(name, 0)
  header.write(octal(0o644, 8), 100)
  header.write(octal(0, 8), 108)
  header.write(octal(0, 8), 116)
  header.write(octal(content.length, 12), 124)
  header.write(octal(0, 12), 136)
  header.write("        0", 148)
  header.write("ustar\x0000", 257)
  const checksum = header.reduce((sum, byte) => sum + byte, 0)
  header.write(`${checksum.toString(8).padStart(6, "0")}\0 `, 148)
  const padding = Buffer.alloc((512 - (content.length % 512)) % 512)
  return Buffer.concat([header, content, padding, Buffer.alloc(1024)])
}

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))

/**
 * Stores a multi-platform image under a tag and returns the digest of its index.
 *
 * @example
 * const digest = pushSampleImage(store, "team/app", "1.0.0", "any seed", { platforms: ["linux/amd64"] })
 */
export const pushSampleImage = (
  store: RegistryStore,
  path: string,
  tag: string,
  seed: string,
  options: SampleImageOptions = {}
): string => {
  const platforms = options.platforms ?? ["linux/amd64", "linux/arm64"]
  const manifests = platforms.map((platform) => {
    const [os, architecture] = platform.split("/")
    const tar = tarOf("data", bytesOf(`${seed}/${platform}`, options.layerSize ?? 4_096))
    // Random bytes do not compress.
    const layer = gzipSync(tar, { level: constants.Z_NO_COMPRESSION })
    const config = json({
      architecture,
      os,
      created: "2026-01-01T00:00:00Z",
      config: {},
      rootfs: { type: "layers", diff_ids: [digestOf(tar)] }
    })
    const manifest = json({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: {
        mediaType: "application/vnd.oci.image.config.v1+json",
        digest: store.putBlob(path, config),
        size: config.length
      },
      layers: [
        {
          mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
          digest: store.putBlob(path, layer),
          size: layer.length
        }
      ]
    })
    const digest = digestOf(manifest)
    store.putManifest(path, digest, manifest, OCI_MANIFEST)
    return { mediaType: OCI_MANIFEST, digest, size: manifest.length, platform: { os, architecture } }
  })
  return store.putManifest(path, tag, json({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }), OCI_INDEX)
}
