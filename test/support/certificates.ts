/** X.509 certificates of a test: an authority and the certificates that it issues, with a minimum of DER. */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto"
import { isIPv4 } from "node:net"
import type { KeyedCertificate } from "../../src/registry/memory/LoopbackServer.ts"

export interface Authority extends KeyedCertificate {
  /** A certificate for names and IPv4 addresses. */
  readonly issue: (names: ReadonlyArray<string>) => KeyedCertificate
}

const tlv = (tag: number, ...parts: ReadonlyArray<Uint8Array>): Buffer => {
  const content = Buffer.concat(parts)
  const { length } = content
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}
const sequence = (...parts: ReadonlyArray<Uint8Array>) => tlv(0x30, ...parts)
const oid = (...bytes: ReadonlyArray<number>) => tlv(0x06, Buffer.from(bytes))
const octets = (...parts: ReadonlyArray<Uint8Array>) => tlv(0x04, ...parts)
const bits = (bytes: Uint8Array, unused = 0) => tlv(0x03, Buffer.from([unused]), bytes)
const boolean = (value: boolean) => tlv(0x01, Buffer.from([value ? 255 : 0]))

const ECDSA_SHA256 = sequence(oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02))
const COMMON_NAME = oid(0x55, 0x04, 0x03)
const BASIC_CONSTRAINTS = oid(0x55, 0x1d, 0x13)
const KEY_USAGE = oid(0x55, 0x1d, 0x0f)
const ALTERNATIVE_NAMES = oid(0x55, 0x1d, 0x11)
// The validity includes the time of every clock that a test uses.
const VALIDITY = sequence(tlv(0x18, Buffer.from("20200101000000Z")), tlv(0x18, Buffer.from("21200101000000Z")))

const nameOf = (common: string) => sequence(tlv(0x31, sequence(COMMON_NAME, tlv(0x0c, Buffer.from(common)))))

const alternativeName = (name: string): Buffer =>
  isIPv4(name) ? tlv(0x87, Buffer.from(name.split(".").map(Number))) : tlv(0x82, Buffer.from(name))

const pem = (der: Uint8Array): string => {
  const lines = Buffer.from(der).toString("base64").replaceAll(/.{64}/gu, "$&\n").trimEnd()
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`
}

interface Content {
  readonly subject: string
  readonly issuer: string
  readonly publicKey: KeyObject
  readonly extensions: ReadonlyArray<Uint8Array>
  readonly signer: KeyObject
}

const certificateOf = ({ extensions, issuer, publicKey, signer, subject }: Content): string => {
  const body = sequence(
    tlv(0xa0, tlv(0x02, Buffer.from([2]))),
    tlv(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    ECDSA_SHA256,
    nameOf(issuer),
    VALIDITY,
    nameOf(subject),
    publicKey.export({ type: "spki", format: "der" }),
    tlv(0xa3, sequence(...extensions))
  )
  return pem(sequence(body, ECDSA_SHA256, bits(sign("sha256", body, signer))))
}

const keyPair = () => generateKeyPairSync("ec", { namedCurve: "P-256" })
const keyPem = (key: KeyObject): string => key.export({ type: "pkcs8", format: "pem" }).toString()

export const makeAuthority = (name = "skopeo-operator test authority"): Authority => {
  const own = keyPair()
  return {
    certificate: certificateOf({
      subject: name,
      issuer: name,
      publicKey: own.publicKey,
      signer: own.privateKey,
      extensions: [
        sequence(BASIC_CONSTRAINTS, boolean(true), octets(sequence(boolean(true)))),
        // keyCertSign and digitalSignature
        sequence(KEY_USAGE, boolean(true), octets(bits(Buffer.from([0x84]), 2)))
      ]
    }),
    key: keyPem(own.privateKey),
    issue: (names) => {
      const { privateKey, publicKey } = keyPair()
      return {
        certificate: certificateOf({
          subject: names[0] ?? name,
          issuer: name,
          publicKey,
          signer: own.privateKey,
          extensions: [
            sequence(KEY_USAGE, boolean(true), octets(bits(Buffer.from([0x80]), 7))),
            sequence(ALTERNATIVE_NAMES, octets(sequence(...names.map(alternativeName))))
          ]
        }),
        key: keyPem(privateKey)
      }
    }
  }
}
