/** PEM bundles of certificates that are trusted in addition to the system's. */
import { X509Certificate } from "node:crypto"
import { createSecureContext, getCACertificates, type SecureContext } from "node:tls"
import { Result } from "effect"
import { BoundedMap } from "../collections/BoundedMap.ts"

/**
 * Splits a PEM bundle into its certificates, as `certificates` of a client's options takes them. The failure says which
 * certificate is broken, and is read after the name of the file.
 *
 * @example
 * ```ts
 * Result.map(parseBundle(pem), (certificates) => RegistryClientHttp.layer({ userAgent: "example/1.0", certificates }))
 * ```
 */
export const parseBundle = (text: string): Result.Result<ReadonlyArray<string>, string> => {
  const found = text.match(/-----BEGIN CERTIFICATE-----[^-]*(?:-----END CERTIFICATE-----)?/gu) ?? []
  if (found.length === 0) {
    return Result.fail("no certificate was found; the file must be PEM, with -----BEGIN CERTIFICATE-----")
  }
  const broken = found.findIndex((certificate) => !isCertificate(certificate))
  return broken < 0
    ? Result.succeed(found)
    : Result.fail(`certificate ${broken + 1} of ${found.length} is broken; check whether the file was cut off`)
}

const isCertificate = (text: string): boolean => {
  try {
    return new X509Certificate(text).raw.length > 0
  } catch {
    return false
  }
}

/** Clients of one process trust the same few certificates. Reading the system's authorities takes 14 ms for each context. */
const contexts = new BoundedMap<string, SecureContext>({ capacity: 8 })

/** A context that trusts the system's authorities and the given ones. */
export const contextTrusting = (certificates: ReadonlyArray<string>): SecureContext => {
  const key = certificates.join("\n")
  const known = contexts.get(key)
  if (known !== undefined) return known
  const context = createSecureContext({ ca: [...getCACertificates("default"), ...certificates] })
  contexts.set(key, context)
  return context
}
