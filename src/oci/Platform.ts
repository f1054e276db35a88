/** Platforms of images, by the OCI image specification: operating system, architecture, and a variant of it. */
import { Result } from "effect"

export interface Platform {
  readonly os: string
  readonly architecture: string
  readonly variant?: string
}

/** `linux/amd64`, `linux/arm/v7`. */
const PLATFORM = /^([a-z0-9]+)\/([a-z0-9_]+)(?:\/([a-z0-9.]+))?$/u

/** Fails with what to write instead. */
export const parsePlatform = (text: string): Result.Result<Platform, string> => {
  const [, os, architecture, variant] = PLATFORM.exec(text) ?? []
  return os === undefined || architecture === undefined
    ? Result.fail("is no platform; write os/architecture, such as linux/amd64, or linux/arm/v7")
    : Result.succeed({ os, architecture, ...(variant === undefined ? {} : { variant }) })
}

export const formatPlatform = ({ architecture, os, variant }: Platform): string =>
  [os, architecture, ...(variant === undefined ? [] : [variant])].join("/")

/** The variant that an architecture is built for when none is named: arm64 has but one in use. */
const usualVariant = ({ architecture, variant }: Platform): string | undefined =>
  architecture === "arm64" && variant === "v8" ? undefined : variant

/** Whether an image's platform is the one that was asked for; asked for without a variant, `linux/arm64` is v8 too. */
export const isPlatform = (asked: Platform, found: Platform): boolean =>
  asked.os === found.os && asked.architecture === found.architecture && usualVariant(asked) === usualVariant(found)
