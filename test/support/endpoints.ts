/** Endpoints of copies with the fields that a test needs. */
import { Result } from "effect"
import type { Endpoint } from "../../src/domain/Copy.ts"
import { CONFIGURED } from "../../src/domain/Credential.ts"
import { parsePlatform, type Platform } from "../../src/oci/Platform.ts"

/** An endpoint of a verified registry, with the configured credential. */
export const endpoint = (registry: string, path: string, more: Partial<Endpoint> = {}): Endpoint => ({
  repository: { registry, path },
  tlsVerify: true,
  credentials: CONFIGURED,
  ...more
})

/** `platforms("linux/amd64", "linux/arm/v7")`. */
export const platforms = (...texts: ReadonlyArray<string>): ReadonlyArray<Platform> =>
  texts.map((text) => Result.getOrThrow(parsePlatform(text)))
