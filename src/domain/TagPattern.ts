/**
 * Parses `spec.source.version`. Its form decides: a digest, a semver range, an x-pattern, or else a tag.
 */
import { Result } from "effect"
import semver from "semver"
import { DIGEST_PATTERN, TAG_PATTERN } from "../oci/Reference.ts"

/** A parsed `spec.source.version`. */
export type TagPattern =
  | { readonly _tag: "Tag"; readonly tag: string; readonly digest?: string }
  | { readonly _tag: "Digest"; readonly digest: string }
  | {
      readonly _tag: "XPattern"
      readonly text: string
      readonly components: ReadonlyArray<string>
      readonly suffix: string
    }
  | { readonly _tag: "Range"; readonly text: string; readonly range: semver.Range; readonly leadingV: boolean }

/** One tag, which needs no listing. */
export type ExactVersion = Extract<TagPattern, { readonly _tag: "Tag" | "Digest" }>

/** A set of tags, which are selected from a listing. */
export type ListedVersion = Exclude<TagPattern, ExactVersion>

/** Whether a tag matches a pattern. `version` orders matching tags. */
export type TagMatch =
  | { readonly matches: true; readonly version: ReadonlyArray<number> }
  | { readonly matches: false; readonly reason: "NotMatching" | "CandidateRelease" }

export const isExact = (pattern: TagPattern): pattern is ExactVersion =>
  pattern._tag === "Tag" || pattern._tag === "Digest"

/** The white space is RE2's `\s`, because the CRD's rules must agree. */
const RANGE_CHARACTERS = /[\^~<>=*| \t\n\f\r]/u

/** The form of a `spec.source.version`. {@link parseTagPattern} checks whether it is valid in that form. */
export const formOf = (version: string): "Digest" | "TagAtDigest" | "Range" | "XPattern" | "Tag" => {
  if (version.startsWith("sha256:") || version.startsWith("@")) return "Digest"
  if (version.includes("@")) return "TagAtDigest"
  if (RANGE_CHARACTERS.test(version)) return "Range"
  const { components } = splitSuffix(version)
  return components.length > 1 && components.includes("x") ? "XPattern" : "Tag"
}

const splitSuffix = (version: string): { readonly components: ReadonlyArray<string>; readonly suffix: string } => {
  const dash = version.indexOf("-")
  return dash < 0
    ? { components: version.split("."), suffix: "" }
    : { components: version.slice(0, dash).split("."), suffix: version.slice(dash) }
}

/**
 * Parses `spec.source.version`. The failure says the remedy, and is read after the version.
 *
 * @example
 * parseTagPattern("v2.13.x") // succeeds with an x-pattern, which selects v2.13.0, v2.13.1, …
 */
export const parseTagPattern = (version: string): Result.Result<TagPattern, string> => {
  switch (formOf(version)) {
    case "Digest":
      return Result.map(parseDigest(version.replace(/^@/u, "")), (digest) => ({ _tag: "Digest", digest }))
    case "TagAtDigest": {
      const at = version.indexOf("@")
      const tag = version.slice(0, at)
      if (formOf(tag) !== "Tag") {
        return Result.fail(`pins ${tag}, which is not a single tag; write one tag before the @, or remove the digest`)
      }
      return Result.flatMap(parseDigest(version.slice(at + 1)), (digest) =>
        Result.map(parseTag(tag), () => ({ _tag: "Tag", tag, digest }))
      )
    }
    case "Range":
      return parseRange(version)
    case "XPattern":
      return Result.map(parseTag(version), () => ({ _tag: "XPattern", text: version, ...splitSuffix(version) }))
    case "Tag":
      return Result.map(parseTag(version), (tag) => ({ _tag: "Tag", tag }))
  }
}

const parseTag = (tag: string): Result.Result<string, string> =>
  TAG_PATTERN.test(tag)
    ? Result.succeed(tag)
    : Result.fail(
        "is not a tag, pattern, range or digest; write a tag such as 1.27-alpine, a pattern such as v2.13.x, a range such as ^2.13.0, or a digest sha256:…"
      )

const parseDigest = (digest: string): Result.Result<string, string> =>
  DIGEST_PATTERN.test(digest)
    ? Result.succeed(digest)
    : Result.fail("has a digest that is not sha256: and 64 lower-case hexadecimal digits; copy the whole digest")

const parseRange = (text: string): Result.Result<TagPattern, string> => {
  if (text.trim() === "") return Result.fail("is empty; write a tag, a pattern such as v2.13.x, or a digest")
  try {
    return Result.succeed({
      _tag: "Range",
      text,
      range: new semver.Range(withDottedCandidates(text), { includePrerelease: true }),
      leadingV: /(?:^|[\^~<>=|\s])v[0-9xX*]/u.test(text)
    })
  } catch {
    return Result.fail(
      "is not a semver range; write one such as ^2.13.0 or >=1.2.0 <2.0.0, or a pattern such as v2.13.x"
    )
  }
}

const escape = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/gu, "\\$&")

/** The suffix of a candidate release: `-rc1`, `-rc.1`, `-rc10`. */
const CANDIDATE = "-rc\\.?[0-9]+"

/**
 * Makes the function that matches tags against a pattern. A candidate may stand before a suffix: `3.7-rc1-alpine`
 * matches `3.x-alpine`. A tag with a leading `v` matches only a pattern or range with a leading `v`.
 */
export const tagMatcher = (pattern: ListedVersion, allowCandidateRelease: boolean): ((tag: string) => TagMatch) => {
  const base =
    pattern._tag === "XPattern"
      ? pattern.components.map((component) => (component === "x" ? "[0-9]+" : escape(component))).join("\\.")
      : `${pattern.leadingV ? "v" : ""}[0-9]+\\.[0-9]+\\.[0-9]+`
  const suffix = pattern._tag === "XPattern" ? escape(pattern.suffix) : ""
  const form = new RegExp(`^(${base})(${CANDIDATE})?${suffix}$`, "u")
  return (tag) => {
    const parts = form.exec(tag)
    if (parts === null) return { matches: false, reason: "NotMatching" }
    const [, release = "", candidate] = parts
    if (pattern._tag === "Range" && !inRange(pattern.range, release, candidate)) {
      return { matches: false, reason: "NotMatching" }
    }
    if (candidate !== undefined && !allowCandidateRelease) return { matches: false, reason: "CandidateRelease" }
    return {
      matches: true,
      version: [
        ...numbersOf(release),
        // A release comes after all its candidates.
        candidate === undefined ? Number.POSITIVE_INFINITY : (numbersOf(candidate)[0] ?? 0)
      ]
    }
  }
}

/** Writes candidates in the dotted form, also in a range's bounds such as `>=2.13.0-rc2`. */
const withDottedCandidates = (text: string): string => text.replaceAll(/-rc([0-9])/gu, "-rc.$1")

/** npm orders `rc.2` before `rc.10` but `rc10` before `rc2`, so candidates are compared in the dotted form. */
const inRange = (range: semver.Range, release: string, candidate: string | undefined): boolean => {
  const number = candidate === undefined ? undefined : numbersOf(candidate)[0]
  const version = semver.parse(`${release.replace(/^v/u, "")}${number === undefined ? "" : `-rc.${number}`}`)
  return version !== null && range.test(version)
}

/** The numbers in a text, in order. */
export const numbersOf = (text: string): ReadonlyArray<number> => (text.match(/[0-9]+/gu) ?? []).map(Number)

/** Compares versions number by number. */
export const compareVersions = (a: ReadonlyArray<number>, b: ReadonlyArray<number>): number => {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const left = a[i] ?? -1
    const right = b[i] ?? -1
    if (left !== right) return left < right ? -1 : 1
  }
  return 0
}
