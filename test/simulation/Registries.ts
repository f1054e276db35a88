/** Registries that record the writer and the time of each write to a tag, and that have weather. */
import { digestOf } from "../../src/oci/Digest.ts"
import { OCI_INDEX, OCI_MANIFEST } from "../../src/oci/Manifest.ts"
import type { Referrer } from "../../src/oci/Referrers.ts"
import { RegistryStore } from "../../src/registry/memory/RegistryStore.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import type { SimulatedTime } from "./SimulatedTime.ts"

/**
 * The behaviour of a registry for a while. The list of tags of an endless registry has no last page. A lying registry answers
 * with digests and bytes of other content.
 */
export type Weather = "fine" | "slow" | "silent" | "trickling" | "limiting" | "erring" | "endless" | "lying"

/** The writer of a tag. */
export type Writer =
  | { readonly _tag: "User" }
  /** `lookedAt`: a time no later than the copy's last read of the destination. */
  /** `isEnding`: the copy's pod is being deleted. */
  | { readonly _tag: "Copy"; readonly image: string; readonly lookedAt: number; readonly isEnding?: boolean }

const USER: Writer = { _tag: "User" }

/** The digest of a tag from a time on. `undefined` if the tag was deleted then. */
export interface TagVersion {
  readonly at: number
  readonly digest: string | undefined
  readonly writer: Writer
}

export interface TagWrite {
  readonly registry: string
  readonly path: string
  readonly tag: string
  readonly digest: string
  readonly before: TagVersion | undefined
  readonly writer: Extract<Writer, { readonly _tag: "Copy" }>
}

/** The reference of a tag, as in copies. */
export const tagName = (registry: string, path: string, tag: string): string => `${registry}/${path}:${tag}`

export class Registry extends RegistryStore {
  readonly name: string
  weather: Weather = "fine"
  /** The last time when the weather was not fine. */
  lastTrouble = Number.NEGATIVE_INFINITY
  /** By tag: the milliseconds that a copy to this tag takes. */
  readonly slowTags = new Map<string, number>()
  readonly #versions = new Map<string, Array<TagVersion>>()
  /** By path and digest of the subject. */
  readonly #referrers = new Map<string, Map<string, Referrer>>()
  /** By tag: the copy that writes the tag now. */
  readonly #writers = new Map<string, Writer>()
  readonly #onWrite: (write: TagWrite) => void
  readonly #time: SimulatedTime

  constructor(name: string, time: SimulatedTime, onWrite: (write: TagWrite) => void) {
    super()
    this.name = name
    this.#time = time
    this.#onWrite = onWrite
  }

  /** All versions of a tag. */
  versions(path: string, tag: string): ReadonlyArray<TagVersion> {
    return this.#versions.get(`${path}:${tag}`) ?? []
  }

  /** The digests that a tag had at some time from `since` on. */
  digestsSince(path: string, tag: string, since: number): ReadonlySet<string> {
    const versions = this.versions(path, tag)
    return new Set(
      versions.flatMap(({ digest }, index) => {
        const until = versions[index + 1]?.at ?? Number.POSITIVE_INFINITY
        return digest !== undefined && until >= since ? [digest] : []
      })
    )
  }

  /** Sets the writer of a tag until the returned function is called. */
  announceWriter(path: string, tag: string, writer: Writer): () => void {
    const key = `${path}:${tag}`
    this.#writers.set(key, writer)
    return () => void this.#writers.delete(key)
  }

  override putManifest(path: string, reference: string, bytes: Uint8Array, mediaType: string): string {
    const digest = super.putManifest(path, reference, bytes, mediaType)
    const { subject } = parsed(bytes)
    if (subject !== undefined) {
      const key = `${path}@${subject.digest}`
      const known = this.#referrers.get(key) ?? new Map<string, Referrer>()
      this.#referrers.set(key, known.set(digest, { mediaType, digest, size: bytes.length }))
    }
    if (reference !== digest) this.#record(path, reference, digest)
    return digest
  }

  /** All referrers of an image. The inherited method reads all manifests of the repository, which is slow. */
  override referrers(path: string, digest: string): ReadonlyArray<Referrer> {
    return [...(this.#referrers.get(`${path}@${digest}`)?.values() ?? [])]
  }

  override deleteTag(path: string, tag: string): void {
    if (this.manifest(path, tag) === undefined) return
    super.deleteTag(path, tag)
    this.#record(path, tag, undefined)
  }

  #record(path: string, tag: string, digest: string | undefined): void {
    const key = `${path}:${tag}`
    const versions = this.#versions.get(key) ?? []
    this.#versions.set(key, versions)
    const writer = this.#writers.get(key) ?? USER
    const before = versions.at(-1)
    if (before?.digest !== digest) versions.push({ at: this.#time.now, digest, writer })
    if (writer._tag === "Copy" && digest !== undefined) {
      this.#onWrite({ registry: this.name, path, tag, digest, before, writer })
    }
  }
}

/** Every seventh sample image has one platform. The others have two. */
const SINGLE = 7
const samples = new Map<number, { readonly store: RegistryStore; readonly digest: string }>()

/** A sample image. Each image is made once, because this is slow. */
const sampleOf = (content: number) => {
  const known = samples.get(content)
  if (known !== undefined) return known
  const store = new RegistryStore()
  const platforms = content % SINGLE === 0 ? { platforms: ["linux/amd64"] } : {}
  const digest = pushSampleImage(store, "sample", "sample", `content-${content}`, { layerSize: 16, ...platforms })
  const sample = { store, digest }
  samples.set(content, sample)
  return sample
}

/** A user pushes an image under a tag. Images with the same number are the same. */
export const push = (registry: Registry, path: string, tag: string, content: number): string => {
  const { digest, store } = sampleOf(content)
  copyContent({ store, path: "sample", reference: digest }, { store: registry, path, reference: tag })
  return digest
}

/** A user attaches an artifact, such as an SBOM, to an image. */
export const attach = (registry: Registry, path: string, subject: string, content: number): string => {
  const empty = { mediaType: "application/vnd.oci.empty.v1+json", size: 2 }
  const config = { ...empty, digest: registry.putBlob(path, new TextEncoder().encode("{}")) }
  const manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    artifactType: "application/vnd.example.sbom",
    config,
    layers: [config],
    subject: { mediaType: OCI_INDEX, digest: subject, size: registry.manifest(path, subject)?.bytes.length ?? 0 },
    annotations: { content: String(content) }
  }
  const bytes = new TextEncoder().encode(JSON.stringify(manifest))
  return registry.putManifest(path, digestOf(bytes), bytes, OCI_MANIFEST)
}

interface Place {
  readonly store: RegistryStore
  readonly path: string
  readonly reference: string
}

/** Copies an image from place to place at once; `false` if the source lacks a part of it. */
export const copyContent = (from: Place, to: Place): boolean => {
  const manifest = from.store.manifest(from.path, from.reference)
  if (manifest === undefined) return false
  const { children, blobs } = contentOf(manifest.bytes)
  for (const child of children) {
    if (!copyContent({ ...from, reference: child.digest }, { ...to, reference: child.digest })) return false
  }
  for (const blob of blobs) {
    const bytes = from.store.blob(from.path, blob)
    if (bytes === undefined) return false
    to.store.putBlob(to.path, bytes)
  }
  to.store.putManifest(to.path, to.reference, manifest.bytes, manifest.mediaType)
  return true
}

interface Child {
  readonly digest: string
  readonly platform: string
}

interface Parsed {
  readonly subject?: { readonly digest: string }
  readonly manifests?: ReadonlyArray<{
    readonly digest: string
    readonly platform?: { readonly os: string; readonly architecture: string }
  }>
  readonly config?: { readonly digest: string }
  readonly layers?: ReadonlyArray<{ readonly digest: string }>
}

const parsed = (bytes: Uint8Array): Parsed => JSON.parse(new TextDecoder().decode(bytes)) as Parsed

/** The parts of a manifest, read without the code that is tested. */
export const contentOf = (
  bytes: Uint8Array
): { readonly children: ReadonlyArray<Child>; readonly blobs: ReadonlyArray<string> } => {
  const { config, layers = [], manifests = [] } = parsed(bytes)
  return {
    children: manifests.map(({ digest, platform }) => ({
      digest,
      platform: platform === undefined ? "" : `${platform.os}/${platform.architecture}`
    })),
    blobs: [...(config === undefined ? [] : [config.digest]), ...layers.map(({ digest }) => digest)]
  }
}
