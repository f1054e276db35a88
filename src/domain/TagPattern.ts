/**
 * What `spec.source.version` selects. Its form decides: a digest, a semver range, an x-pattern, else a tag.
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

/** One tag, known without asking a registry which tags there are. */
export type ExactVersion = Extract<TagPattern, { readonly _tag: "Tag" | "Digest" }>

/** Many tags, to be found in a listing. */
export type ListedVersion = Exclude<TagPattern, ExactVersion>

/** Whether a tag is of a pattern; `version` orders those that are. */
export type TagMatch =
  | { readonly matches: true; readonly version: ReadonlyArray<number> }
  | { readonly matches: false; readonly reason: "NotMatching" | "CandidateRelease" }

export const isExact = (pattern: TagPattern): pattern is ExactVersion =>
  pattern._tag === "Tag" || pattern._tag === "Digest"

/** The whitespace is RE2's `\s`, for the CRD's rules have to agree. */
const RANGE_CHARACTERS = /[\^~<>=*| \t\n\f\r]/u

/** What a `spec.source.version` means to be; whether it is well written in that form, {@link parseTagPattern} says. */
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

/** Reads `spec.source.version`; fails with a sentence that says what to write instead. */
export const parseTagPattern = (version: string): Result.Result<TagPattern, string> => {
  switch (formOf(version)) {
    case "Digest":
      return Result.map(parseDigest(version.replace(/^@/u, "")), (digest) => ({ _tag: "Digest", digest }))
    case "TagAtDigest": {
      const at = version.indexOf("@")
      const tag = version.slice(0, at)
      if (formOf(tag) !== "Tag") {
        return Result.fail(`pins ${tag}, which is no single tag; write one tag before the @, or leave the digest out`)
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
        "is no tag, pattern, range or digest; write a tag such as 1.27-alpine, a pattern such as v2.13.x, a range such as ^2.13.0, or a digest sha256:…"
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
    return Result.fail("is no semver range; write one such as ^2.13.0 or >=1.2.0 <2.0.0, or a pattern such as v2.13.x")
  }
}

const escape = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/gu, "\\$&")

/** `-rc1`, `-rc.1`, `-rc10`: what counts as a candidate release. */
const CANDIDATE = "-rc\\.?[0-9]+"

/**
 * Whether tags are of a pattern, as one function made once per pattern. A candidate stands before a suffix too:
 * `3.7-rc1-alpine` for `3.x-alpine`. A leading `v` in the tag needs one in the pattern or range.
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

/** In a range's bounds too: `>=2.13.0-rc2`. */
const withDottedCandidates = (text: string): string => text.replaceAll(/-rc([0-9])/gu, "-rc.$1")

/** npm's ranges order `rc.2` before `rc.10` but `rc10` before `rc2`, so candidates are put into the dotted form. */
const inRange = (range: semver.Range, release: string, candidate: string | undefined): boolean => {
  const number = candidate === undefined ? undefined : numbersOf(candidate)[0]
  const version = semver.parse(`${release.replace(/^v/u, "")}${number === undefined ? "" : `-rc.${number}`}`)
  return version !== null && range.test(version)
}

/** The numbers in a text, in their order. */
export const numbersOf = (text: string): ReadonlyArray<number> => (text.match(/[0-9]+/gu) ?? []).map(Number)

/** Orders versions by their numbers, one after the other. */
export const compareVersions = (a: ReadonlyArray<number>, b: ReadonlyArray<number>): number => {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const left = a[i] ?? -1
    const right = b[i] ?? -1
    if (left !== right) return left < right ? -1 : 1
  }
  return 0
}
