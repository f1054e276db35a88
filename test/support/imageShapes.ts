/** Images of every shape that a registry may hold, and whether Skopeo copies them. */
import { digestOf, type DigestAlgorithm } from "../../src/oci/Digest.ts"
import { DOCKER_LIST, DOCKER_MANIFEST, OCI_ARTIFACT, OCI_INDEX, OCI_MANIFEST } from "../../src/oci/Manifest.ts"
import type { RegistryStore } from "../../src/registry/memory/RegistryStore.ts"

export interface ImageShape {
  readonly name: string
  readonly digest: string
  /** What Skopeo does not copy. Absent if Skopeo copies the image. */
  readonly refused?: string
}

const LAYER = "application/vnd.oci.image.layer.v1.tar"
const CONFIG = "application/vnd.oci.image.config.v1+json"

/** Stores the images in a repository. */
export const pushImageShapes = (store: RegistryStore, path: string): ReadonlyArray<ImageShape> => {
  const shapes: Array<ImageShape> = []
  const blob = (text: string, mediaType: string, algorithm: DigestAlgorithm = "sha256") => {
    const bytes = Buffer.from(text)
    return { mediaType, digest: store.putBlob(path, bytes, digestOf(bytes, algorithm)), size: bytes.length }
  }
  const manifest = (
    name: string,
    content: object,
    { algorithm = "sha256", mediaType, refused }: Shape & { readonly mediaType: string }
  ) => {
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...content }))
    const digest = store.putManifest(path, digestOf(bytes, algorithm), bytes, mediaType)
    shapes.push({ name, digest, ...(refused === undefined ? {} : { refused }) })
    return { mediaType, digest, size: bytes.length }
  }
  const image = (name: string, content: object, shape: Shape = {}) => ({
    ...manifest(name, content, { mediaType: OCI_MANIFEST, ...shape }),
    platform: { os: "linux", architecture: "amd64" }
  })
  const index = (name: string, manifests: ReadonlyArray<object>, shape: Shape = {}) =>
    manifest(name, { manifests }, { mediaType: OCI_INDEX, ...shape })

  const content = JSON.stringify({ os: "linux", architecture: "amd64", rootfs: { type: "layers", diff_ids: [] } })
  const [config, layer] = [blob(content, CONFIG), blob("layer", LAYER)]
  const SHA512 = { refused: "sha512 digests" }

  const plain = image("an image", { config, layers: [layer] })
  index("an index", [plain])
  index("an index without manifests", [])
  index("an index that names one image twice", [plain, plain])
  image("an image without layers", { config })
  image("an image with an empty layer", { config, layers: [blob("", LAYER)] })
  const foreign = { mediaType: LAYER.replace("layer.v1", "layer.nondistributable.v1"), size: 8 }
  const licensed = { ...foreign, digest: digestOf(Buffer.from("licensed")), urls: ["https://example.com/layer"] }
  image("an image with a foreign layer", { config, layers: [licensed] })
  const docker = {
    config: { ...config, mediaType: "application/vnd.docker.container.image.v1+json" },
    layers: [{ ...layer, mediaType: "application/vnd.docker.image.rootfs.diff.tar.gzip" }]
  }
  const ofDocker = image("an image of Docker", docker, { mediaType: DOCKER_MANIFEST })
  index("a list of Docker", [ofDocker], { mediaType: DOCKER_LIST })

  index("an index of indexes", [index("the index of an index", [plain])], { refused: "index of indexes" })
  const list = index("the list of a list", [ofDocker], { mediaType: DOCKER_LIST })
  index("a list of lists", [list], { mediaType: DOCKER_LIST, refused: "index of indexes" })
  const cache = { ...config, mediaType: "application/vnd.buildkit.cacheconfig.v0" }
  index("a cache of BuildKit", [layer, cache], { refused: "index that names layers" })
  const artifact = { artifactType: "application/vnd.example", blobs: [layer] }
  manifest("an artifact manifest", artifact, { mediaType: OCI_ARTIFACT, refused: "artifacts of the type" })
  image("an image with a layer by sha512", { config, layers: [blob("other", LAYER, "sha512")] }, SHA512)
  image("an image with a config by sha512", { config: blob(content, CONFIG, "sha512"), layers: [layer] }, SHA512)
  const named = image("an image by sha512", { config, layers: [layer] }, { ...SHA512, algorithm: "sha512" })
  index("an index with an image by sha512", [named], SHA512)
  return shapes
}

interface Shape {
  readonly algorithm?: DigestAlgorithm
  readonly mediaType?: string
  readonly refused?: string
}
