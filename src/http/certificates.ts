/** Certificates of authorities that are trusted beside those of the system: a bundle in PEM. Pure. */
import { X509Certificate } from "node:crypto"
import { createSecureContext, getCACertificates, type SecureContext } from "node:tls"
import { Result } from "effect"

/** The certificates of a bundle; the failure says which of them is wrong. */
export const parseBundle = (text: string): Result.Result<ReadonlyArray<string>, string> => {
  const found = text.match(/-----BEGIN CERTIFICATE-----[^-]*(?:-----END CERTIFICATE-----)?/gu) ?? []
  if (found.length === 0) {
    return Result.fail("there is no certificate in it; it must be PEM, with -----BEGIN CERTIFICATE-----")
  }
  const broken = found.findIndex((certificate) => !isCertificate(certificate))
  return broken < 0
    ? Result.succeed(found)
    : Result.fail(`certificate ${broken + 1} of ${found.length} in it cannot be read; it may have been cut off`)
}

const isCertificate = (text: string): boolean => {
  try {
    return new X509Certificate(text).raw.length > 0
  } catch {
    return false
  }
}

/** The system's authorities and these. It takes a while: make one and keep it. */
export const contextTrusting = (certificates: ReadonlyArray<string>): SecureContext =>
  createSecureContext({ ca: [...getCACertificates("default"), ...certificates] })
