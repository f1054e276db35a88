/** Sides of copies, each with only what a test is about. */
import { Result } from "effect"
import type { Endpoint } from "../../src/domain/Copy.ts"
import { CONFIGURED } from "../../src/domain/Credential.ts"
import { parsePlatform, type Platform } from "../../src/oci/Platform.ts"

/** A repository of a registry that is verified, with the credentials of the configuration. */
export const endpoint = (registry: string, path: string, more: Partial<Endpoint> = {}): Endpoint => ({
  repository: { registry, path },
  tlsVerify: true,
  credentials: CONFIGURED,
  ...more
})

/** `platforms("linux/amd64", "linux/arm/v7")`. */
export const platforms = (...texts: ReadonlyArray<string>): ReadonlyArray<Platform> =>
  texts.map((text) => Result.getOrThrow(parsePlatform(text)))
