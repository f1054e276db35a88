/**
 * Parses `spec.source.version`. Its form decides: a digest, a semver range, an x-pattern, or else a tag.
 */
import { Result } from "effect"
import { DIGEST_FORM, isDigest } from "../oci/Digest.ts"
import { TAG_PATTERN } from "../oci/Reference.ts"
import { CANDIDATE, type Version, versionOf } from "./Version.ts"
import { isInRange, parseVersionRange, type VersionRange } from "./VersionRange.ts"

/** A parsed `spec.source.version`. */
export type TagPattern =
  | { readonly _tag: "Tag"; readonly tag: string; readonly digest?: string }
  | { readonly _tag: "Digest"; readonly digest: string }
  | {
      readonly _tag: "XPattern"
      readonly text: string
      /** What stands before the version: a leading `v`, or words such as `version-`. */
      readonly prefix: string
      /** The parts of the version between dots. An x stands for a number. */
      readonly components: ReadonlyArray<string>
      /** What stands after the version, such as `-alpine` or `_build.1`. */
      readonly suffix: string
    }
  | { readonly _tag: "Range"; readonly text: string; readonly range: VersionRange }

/** One tag, which needs no listing. */
export type ExactVersion = Extract<TagPattern, { readonly _tag: "Tag" | "Digest" }>

/** A set of tags, which are selected from a listing. */
export type ListedVersion = Exclude<TagPattern, ExactVersion>

/** Whether a tag matches a pattern. `version` orders matching tags. */
export type TagMatch =
  | { readonly matches: true; readonly version: Version }
  | { readonly matches: false; readonly reason: "NotMatching" | "CandidateRelease" }

export const isExact = (pattern: TagPattern): pattern is ExactVersion =>
  pattern._tag === "Tag" || pattern._tag === "Digest"

/** The white space is RE2's `\s`, because the CRD's rules must agree. */
const RANGE_CHARACTERS = /[\^~<>=*| \t\n\f\r]/u

/**
 * An x that is a whole part between dots and has a part next to it. Dashes and underscores end a version. The CRD's rules have
 * the same expression.
 */
export const X_PATTERN = "(^|[-_])v?x[.]|[.]x([-_.]|$)"
const X_FORM = new RegExp(X_PATTERN, "u")

/** How a digest begins. The CRD's rules have the same expression. */
export const DIGEST_START = "^(sha256:|sha512:|@)"
const DIGEST = new RegExp(DIGEST_START, "u")

/** The form of a `spec.source.version`. {@link parseTagPattern} checks whether it is valid in that form. */
export const formOf = (version: string): "Digest" | "TagAtDigest" | "Range" | "XPattern" | "Tag" => {
  if (DIGEST.test(version)) return "Digest"
  if (version.includes("@")) return "TagAtDigest"
  if (RANGE_CHARACTERS.test(version)) return "Range"
  return X_FORM.test(version) ? "XPattern" : "Tag"
}

/** Splits a pattern around the first section between dashes and underscores that has an x. */
const splitXPattern = (
  text: string
): { readonly prefix: string; readonly components: ReadonlyArray<string>; readonly suffix: string } => {
  const sections = text.split(/([-_])/u)
  const at = sections.findIndex((section) => X_FORM.test(section))
  const [, v = "", version = ""] = /^(v(?=[0-9x]))?(.*)$/u.exec(sections[at] ?? "") ?? []
  return {
    prefix: sections.slice(0, at).join("") + v,
    components: version.split("."),
    suffix: sections.slice(at + 1).join("")
  }
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
      return Result.map(parseTag(version), () => ({ _tag: "XPattern", text: version, ...splitXPattern(version) }))
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
  isDigest(digest)
    ? Result.succeed(digest)
    : Result.fail(`has a digest that is not ${DIGEST_FORM}; copy the whole digest`)

const parseRange = (text: string): Result.Result<TagPattern, string> => {
  if (text.trim() === "") return Result.fail("is empty; write a tag, a pattern such as v2.13.x, or a digest")
  const range = parseVersionRange(text)
  return range === undefined
    ? Result.fail("is not a semver range; write one such as ^2.13.0 or >=1.2.0 <2.0.0, or a pattern such as v2.13.x")
    : Result.succeed({ _tag: "Range", text, range })
}

const escape = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/gu, "\\$&")

/** A pattern that begins with its version takes tags with and without a leading `v`. */
const takesLeadingV = ({ components: [first = ""], prefix }: XPattern): boolean =>
  prefix === "" && /^(?:x|[0-9]+)$/u.test(first)

type XPattern = Extract<TagPattern, { readonly _tag: "XPattern" }>

/** A regular expression with groups of the leading `v`, the release, and the candidate. */
const tagForm = (pattern: ListedVersion): RegExp => {
  if (pattern._tag === "Range") return new RegExp(`^(v?)([0-9]+(?:\\.[0-9]+)*)(${CANDIDATE})?$`, "u")
  const release = pattern.components.map((component) => (component === "x" ? "[0-9]+" : escape(component))).join("\\.")
  const prefix = takesLeadingV(pattern) ? "v?" : escape(pattern.prefix)
  return new RegExp(`^(${prefix})(${release})(${CANDIDATE})?${escape(pattern.suffix)}$`, "u")
}

/**
 * Makes the function that matches tags against a pattern. A candidate may stand before a suffix: `3.7-rc1-alpine`
 * matches `3.x-alpine`. A pattern or range with a leading `v` takes only tags with one, and any other takes both.
 */
export const tagMatcher = (pattern: ListedVersion, allowCandidateRelease: boolean): ((tag: string) => TagMatch) => {
  const form = tagForm(pattern)
  return (tag) => {
    const parts = form.exec(tag)
    if (parts === null) return { matches: false, reason: "NotMatching" }
    const [, prefix, release = "", candidate] = parts
    const version = versionOf(release, candidate)
    if (pattern._tag === "Range" && !isInRange(pattern.range, version, prefix === "v")) {
      return { matches: false, reason: "NotMatching" }
    }
    return candidate !== undefined && !allowCandidateRelease
      ? { matches: false, reason: "CandidateRelease" }
      : { matches: true, version }
  }
}
