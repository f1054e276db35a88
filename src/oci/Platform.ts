/**
 * Platforms of images, by the OCI image specification: operating system, architecture, and the architecture's variant.
 */
import { Result } from "effect"

/** The platform of an image, as in `linux/arm/v7`: `os`, `architecture`, and the optional `variant`. */
export interface Platform {
  readonly os: string
  readonly architecture: string
  readonly variant?: string
}

/** `os/architecture[/variant]`, such as `linux/amd64` or `linux/arm/v7`, for schemas of any language. */
export const PLATFORM_PATTERN = "^[a-z0-9]+/[a-z0-9_]+(/[a-z0-9.]+)?$"
const PLATFORM = new RegExp(PLATFORM_PATTERN, "u")

/** Why a text is not a platform, and the remedy. Read after the text. */
export const NOT_A_PLATFORM = "is not a platform; write os/architecture, such as linux/amd64, or linux/arm/v7"

/**
 * The names that other programs give to architectures, such as `uname -m`, and those of images, which are the names of Go. The CRD's
 * rules have the same map.
 */
export const ARCHITECTURES: ReadonlyMap<string, string> = new Map([
  ["x86_64", "amd64"],
  ["x64", "amd64"],
  ["aarch64", "arm64"],
  ["i386", "386"],
  ["i686", "386"],
  ["x86", "386"],
  ["armhf", "arm/v7"],
  ["armv7", "arm/v7"],
  ["armv7l", "arm/v7"],
  ["armv6l", "arm/v6"]
])

/**
 * Parses `os/architecture[/variant]`. The failure says what to write instead, and is read after the text.
 *
 * @example
 * parsePlatform("linux/arm/v7") // succeeds with { os: "linux", architecture: "arm", variant: "v7" }
 */
export const parsePlatform = (text: string): Result.Result<Platform, string> => {
  const [os, architecture, variant] = PLATFORM.test(text) ? text.split("/") : []
  if (os === undefined || architecture === undefined) return Result.fail(NOT_A_PLATFORM)
  const name = ARCHITECTURES.get(architecture)
  return name === undefined
    ? Result.succeed({ os, architecture, ...(variant === undefined ? {} : { variant }) })
    : Result.fail(`has the architecture ${architecture}, which images call ${name}; write ${os}/${name}`)
}

/**
 * `os/architecture[/variant]`. {@link parsePlatform} reads it back.
 *
 * @example
 * ```ts
 * formatPlatform({ os: "linux", architecture: "arm", variant: "v7" }) // "linux/arm/v7"
 * ```
 */
export const formatPlatform = ({ architecture, os, variant }: Platform): string =>
  [os, architecture, ...(variant === undefined ? [] : [variant])].join("/")

/** The variant without the one that is usual for the architecture: v8 is the only variant of arm64 in use. */
const usualVariant = ({ architecture, variant }: Platform): string | undefined =>
  architecture === "arm64" && variant === "v8" ? undefined : variant

/** Whether an image's platform is the requested one. `linux/arm64` and `linux/arm64/v8` are the same platform. */
export const isPlatform = (requested: Platform, actual: Platform): boolean =>
  requested.os === actual.os &&
  requested.architecture === actual.architecture &&
  usualVariant(requested) === usualVariant(actual)
