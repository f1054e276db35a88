/**
 * Signatures in the layouts of their tools, over the registry's protocol: cosign's tags, Sigstore bundles and
 * Notation's signatures as OCI referrers. They are made with a real key, and verified with that key at the destination.
 */
import { generateKeyPairSync, type KeyObject, sign, verify, X509Certificate } from "node:crypto"
import { Effect, Option, Schema, Stream } from "effect"
import { digestOf } from "../../src/oci/Digest.ts"
import { fallbackTagOf, referrersIn } from "../../src/oci/Referrers.ts"
import { OCI_INDEX, OCI_MANIFEST, partsOf } from "../../src/oci/Manifest.ts"
import type { Descriptor } from "../../src/oci/Manifest.ts"
import { RegistryClient, type RepositoryAccess } from "../../src/registry/RegistryClient.ts"
import { CERTIFICATE, KEY } from "./ScriptedServer.ts"

const SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
const COSIGN_SIGNATURE = "dev.cosignproject.cosign/signature"
const BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
const NOTATION = "application/vnd.cncf.notary.signature"
const IN_TOTO = "application/vnd.in-toto+json"
const EMPTY = "application/vnd.oci.empty.v1+json"

/** The key that signs. */
export const makeSigner = () => generateKeyPairSync("ec", { namedCurve: "P-256" })
export type Signer = ReturnType<typeof makeSigner>

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))

const push = Effect.fnUntraced(function* (access: RepositoryAccess, mediaType: string, bytes: Uint8Array) {
  const client = yield* RegistryClient
  const blob = { digest: digestOf(bytes), size: bytes.length }
  yield* client.putBlob(access, blob, Stream.succeed(bytes))
  return { mediaType, ...blob }
})

const put = Effect.fnUntraced(function* (access: RepositoryAccess, reference: string, content: object) {
  const client = yield* RegistryClient
  const bytes = json({ schemaVersion: 2, ...content })
  const mediaType = "manifests" in content ? OCI_INDEX : OCI_MANIFEST
  const manifest = { bytes, mediaType, digest: digestOf(bytes), size: bytes.length }
  const { subject } = yield* client.putManifest(access, reference === "" ? manifest.digest : reference, manifest)
  return { descriptor: { mediaType, digest: manifest.digest, size: manifest.size }, isListed: Option.isSome(subject) }
})

/** `cosign sign` without OCI referrers: an image of signed payloads under `sha256-….sig`. */
export const signByTag = Effect.fnUntraced(function* (
  access: RepositoryAccess,
  digest: string,
  { privateKey }: Signer,
  note = ""
) {
  const { path, registry } = access.repository
  const payload = json({
    critical: {
      identity: { "docker-reference": `${registry}/${path}` },
      image: { "docker-manifest-digest": digest },
      type: "cosign container image signature"
    },
    optional: note === "" ? null : { note }
  })
  const layer = yield* push(access, SIMPLE_SIGNING, payload)
  const config = json({ architecture: "", os: "", rootfs: { type: "layers", diff_ids: [layer.digest] }, config: {} })
  const { descriptor } = yield* put(access, `${fallbackTagOf(digest)}.sig`, {
    mediaType: OCI_MANIFEST,
    config: yield* push(access, "application/vnd.oci.image.config.v1+json", config),
    layers: [{ ...layer, annotations: { [COSIGN_SIGNATURE]: sign("sha256", payload, privateKey).toString("base64") } }]
  })
  return descriptor.digest
})

/** Publishes a referrer, and lists it under the fallback tag if the registry has no referrers API. */
const attach = Effect.fnUntraced(function* (
  access: RepositoryAccess,
  subject: Descriptor,
  content: { readonly artifactType: string; readonly config: object; readonly layers: ReadonlyArray<object> }
) {
  const client = yield* RegistryClient
  const { descriptor, isListed } = yield* put(access, "", { mediaType: OCI_MANIFEST, ...content, subject })
  if (isListed) return descriptor
  const before = yield* client.referrers(access, subject.digest)
  const listed = { ...descriptor, artifactType: content.artifactType }
  yield* put(access, fallbackTagOf(subject.digest), { mediaType: OCI_INDEX, manifests: [...before, listed] })
  return descriptor
})

/** The bytes of an envelope that DSSE signs: the pre-authentication encoding. */
const encoded = (payload: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from(`DSSEv1 ${IN_TOTO.length} ${IN_TOTO} ${payload.length} `), payload])

/** `cosign attest` and `cosign sign` of version 3: a Sigstore bundle of a statement about the subject. */
export const attachBundle = Effect.fnUntraced(function* (
  access: RepositoryAccess,
  subject: Descriptor,
  { privateKey }: Signer,
  predicateType = "https://sigstore.dev/cosign/sign/v1"
) {
  const statement = json({
    _type: "https://in-toto.io/Statement/v1",
    subject: [{ digest: { sha256: subject.digest.replace("sha256:", "") } }],
    predicateType,
    predicate: {}
  })
  const bundle = json({
    mediaType: BUNDLE,
    verificationMaterial: { publicKey: { hint: "test" }, tlogEntries: [] },
    dsseEnvelope: {
      payload: statement.toString("base64"),
      payloadType: IN_TOTO,
      signatures: [{ sig: sign("sha256", encoded(statement), privateKey).toString("base64") }]
    }
  })
  return yield* attach(access, subject, {
    artifactType: BUNDLE,
    config: yield* push(access, EMPTY, Buffer.from("{}")),
    layers: [yield* push(access, BUNDLE, bundle)]
  })
})

/** `notation sign`: a JWS of the subject's descriptor, with the signer's certificate. */
export const attachNotation = Effect.fnUntraced(function* (access: RepositoryAccess, subject: Descriptor) {
  const encode = (value: object): string => json(value).toString("base64url")
  const { digest, mediaType, size } = subject
  const protectedHeader = encode({
    alg: "ES256",
    cty: "application/vnd.cncf.notary.payload.v1+json",
    crit: ["io.cncf.notary.signingScheme"],
    "io.cncf.notary.signingScheme": "notary.x509"
  })
  const payload = encode({ targetArtifact: { mediaType, digest, size } })
  const signature = sign("sha256", Buffer.from(`${protectedHeader}.${payload}`), {
    key: KEY,
    dsaEncoding: "ieee-p1363"
  })
  const jws = json({
    payload,
    protected: protectedHeader,
    header: { x5c: [new X509Certificate(CERTIFICATE).raw.toString("base64")] },
    signature: signature.toString("base64url")
  })
  return yield* attach(access, subject, {
    artifactType: NOTATION,
    config: yield* push(access, NOTATION, Buffer.from("{}")),
    layers: [yield* push(access, "application/jose+json", jws)]
  })
})

const decoderOf = <S extends Schema.Top & { readonly DecodingServices: never }>(schema: S) =>
  Schema.decodeUnknownSync(Schema.fromJsonString(schema))
const Payload = decoderOf(
  Schema.Struct({
    critical: Schema.Struct({ image: Schema.Struct({ "docker-manifest-digest": Schema.String }) })
  })
)
const Bundle = decoderOf(
  Schema.Struct({
    dsseEnvelope: Schema.Struct({
      payload: Schema.String,
      signatures: Schema.Array(Schema.Struct({ sig: Schema.String }))
    })
  })
)
const Statement = decoderOf(
  Schema.Struct({
    subject: Schema.Array(Schema.Struct({ digest: Schema.Struct({ sha256: Schema.String }) }))
  })
)
const Jws = decoderOf(
  Schema.Struct({
    payload: Schema.String,
    protected: Schema.String,
    signature: Schema.String,
    header: Schema.Struct({ x5c: Schema.Array(Schema.String) })
  })
)
const Target = decoderOf(Schema.Struct({ targetArtifact: Schema.Struct({ digest: Schema.String }) }))
const Signatures = decoderOf(
  Schema.Struct({
    layers: Schema.Array(Schema.Struct({ annotations: Schema.Struct({ [COSIGN_SIGNATURE]: Schema.String }) }))
  })
)

/** The blobs of a manifest without its config, read and verified. */
const layersOf = Effect.fnUntraced(function* (access: RepositoryAccess, reference: string) {
  const client = yield* RegistryClient
  const manifest = yield* client.manifest(access, reference)
  const parts = Option.getOrThrow(partsOf(manifest))
  const [, ...layers] = parts._tag === "Manifest" ? parts.blobs : []
  return {
    text: Buffer.from(manifest.bytes).toString(),
    layers: yield* Effect.forEach(layers, (layer) =>
      Effect.map(Stream.runCollect(client.blob(access, layer)), (pieces) => Buffer.concat(pieces))
    )
  }
})

/** Whether cosign's tag of a digest has a signature by the key, as cosign verifies it. */
export const isSignedByTag = Effect.fnUntraced(function* (
  access: RepositoryAccess,
  digest: string,
  { publicKey }: Signer
) {
  const client = yield* RegistryClient
  const tag = `${fallbackTagOf(digest)}.sig`
  if (Option.isNone(yield* client.head(access, tag))) return false
  const { layers, text } = yield* layersOf(access, tag)
  return Signatures(text).layers.some(({ annotations }, index) => {
    const payload = layers[index] ?? Buffer.alloc(0)
    return (
      Payload(payload.toString()).critical.image["docker-manifest-digest"] === digest &&
      verify("sha256", payload, publicKey, Buffer.from(annotations[COSIGN_SIGNATURE], "base64"))
    )
  })
})

const bundleSigns = (bundle: Buffer, digest: string, publicKey: KeyObject): boolean => {
  const { payload, signatures } = Bundle(bundle.toString()).dsseEnvelope
  const statement = Buffer.from(payload, "base64")
  return (
    Statement(statement.toString()).subject.some(({ digest: { sha256 } }) => `sha256:${sha256}` === digest) &&
    signatures.some(({ sig }) => verify("sha256", encoded(statement), publicKey, Buffer.from(sig, "base64")))
  )
}

const notationSigns = (jws: Buffer, digest: string): boolean => {
  const { header, payload, protected: protectedHeader, signature } = Jws(jws.toString())
  const { publicKey } = new X509Certificate(Buffer.from(header.x5c[0] ?? "", "base64"))
  return (
    Target(Buffer.from(payload, "base64url").toString()).targetArtifact.digest === digest &&
    verify(
      "sha256",
      Buffer.from(`${protectedHeader}.${payload}`),
      { key: publicKey, dsaEncoding: "ieee-p1363" },
      Buffer.from(signature, "base64url")
    )
  )
}

/** The referrers of a digest with a valid signature of that digest: the kind and the digest of each. */
export const signedReferrers = Effect.fnUntraced(function* (
  access: RepositoryAccess,
  digest: string,
  { publicKey }: Signer
) {
  const client = yield* RegistryClient
  const listed = yield* client.referrers(access, digest)
  const found = yield* Effect.forEach(
    listed,
    Effect.fnUntraced(function* (referrer) {
      const { layers } = yield* layersOf(access, referrer.digest)
      const [layer = Buffer.alloc(0)] = layers
      if (referrer.artifactType === BUNDLE && bundleSigns(layer, digest, publicKey)) {
        return [{ kind: "bundle" as const, digest: referrer.digest }]
      }
      if (referrer.artifactType === NOTATION && notationSigns(layer, digest)) {
        return [{ kind: "notation" as const, digest: referrer.digest }]
      }
      return []
    })
  )
  return found.flat()
})

/** The fallback tags, with the referrers in their lists. */
export const listUnderTag = Effect.fnUntraced(function* (access: RepositoryAccess, digest: string) {
  const client = yield* RegistryClient
  const tag = fallbackTagOf(digest)
  if (Option.isNone(yield* client.head(access, tag))) return undefined
  const { bytes } = yield* client.manifest(access, tag)
  return Option.getOrThrow(referrersIn(bytes)).map((referrer) => referrer.digest)
})
