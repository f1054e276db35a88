/**
 * Lists tags page by page, by the distribution specification. Registries differ in the sizes of pages that they accept.
 */
import { Effect, Option, Schema } from "effect"
import { TAG_PATTERN } from "../../oci/Reference.ts"
import { mostValuesIn } from "../../text/json.ts"
import { excerpt } from "../../text/line.ts"
import { isPage, isRegistry, mediaTypeOf, refused, textOf, wholeBody, whyDamaged } from "../pipeline/refusal.ts"
import { errorOf, type Handler, pathOf, type RegistryRequest, shownOperation } from "../pipeline/request.ts"
import { spanOf } from "../pipeline/traced.ts"
import type { RepositoryAccess } from "../RegistryClient.ts"
import type { RegistryError } from "../RegistryError.ts"
import { nextOf } from "./nextPage.ts"

/** The bounds of one listing. */
interface Bounds {
  readonly bytes: number
  /** The most JSON values, by {@link mostValuesIn}. */
  readonly values: number
}

/**
 * The bounds for all pages of a listing together. The largest repositories of Docker Hub list less than 1 MB, some
 * 50,000 tags.
 */
const LISTING: Bounds = { bytes: 8 * 1024 * 1024, values: 200_000 }
const TOO_LONG = `the list of tags is longer than the ${LISTING.bytes / 1024 ** 2} MiB or ${LISTING.values} entries that are read of one; name a tag or a digest instead of a pattern, for which no list is read, or delete tags there`
const PAGES = 1_000

/**
 * Page sizes in the order of tries. ECR refuses more than 1,000, others refuse more than 100, some refuse any number.
 */
const PAGE_SIZES = ["?n=1000", "?n=100", ""]
const REFUSED_SIZE = new Set([400, 413])

const TagPage = Schema.fromJsonString(
  Schema.Struct({ tags: Schema.optional(Schema.NullOr(Schema.Array(Schema.String))) })
)

interface Page {
  /** The listed names that are tags by the specification. Artifactory lists digests too. */
  readonly tags: ReadonlyArray<string>
  readonly next: string | undefined
  /** The bounds that are left for the next pages. */
  readonly left: Bounds
}

/** Lists all tags of a repository in the registry's order. */
export type ListTags = (access: RepositoryAccess) => Effect.Effect<ReadonlyArray<string>, RegistryError>

export const makeListTags = (send: Handler): ListTags => {
  const requestOf = (access: RepositoryAccess, path: string, reads = LISTING.bytes): RegistryRequest => ({
    access,
    route: "tags",
    need: "list",
    method: "GET",
    to: path,
    headers: { accept: "application/json" },
    reads
  })

  /** Reads a page within the remaining bounds. `undefined` if the registry refuses the page size. */
  const tagPage = Effect.fnUntraced(function* (
    access: RepositoryAccess,
    path: string,
    left: Bounds,
    isFirst: boolean
  ): Effect.fn.Return<Page | undefined, RegistryError> {
    const request = requestOf(access, path, left.bytes)
    const response = yield* send(request)
    if (isFirst && REFUSED_SIZE.has(response.status)) return undefined
    if (response.status !== 200) return yield* refused(request, response)
    const bytes = yield* wholeBody(request, response, TOO_LONG)
    const values = mostValuesIn(bytes)
    if (values > left.values) return yield* errorOf(request, "InvalidAnswer", TOO_LONG)
    const page = Schema.decodeUnknownOption(TagPage)(textOf({ bytes }))
    if (Option.isNone(page)) {
      const type = excerpt(mediaTypeOf(response), 100) || "something"
      const coding = response.headers["content-encoding"]
      const why = coding === undefined || coding === "identity" ? isRegistry(request) : whyDamaged(response, "list")
      return yield* errorOf(
        request,
        isPage(response) ? "NotARegistry" : "InvalidAnswer",
        `${shownOperation(request)} answered with ${type} that is not a list of tags; ${why}`
      )
    }
    const next = yield* nextOf(request, response)
    return {
      tags: (page.value.tags ?? []).filter((tag) => TAG_PATTERN.test(tag)),
      next,
      // The paths of all pages are remembered.
      left: { bytes: left.bytes - bytes.length - (next ?? "").length, values: left.values - values }
    }
  })

  const firstPage = Effect.fnUntraced(function* (
    access: RepositoryAccess
  ): Effect.fn.Return<{ readonly page: Page; readonly path: string }, RegistryError> {
    const base = pathOf(access.repository, "tags/list")
    for (const size of PAGE_SIZES) {
      const path = base + size
      const page = yield* tagPage(access, path, LISTING, size !== "")
      if (page !== undefined) return { page, path }
    }
    return yield* errorOf(
      requestOf(access, base),
      "InvalidAnswer",
      "the registry refuses to list its tags in every page size"
    )
  })

  return Effect.fnUntraced(function* (access) {
    const { page: first, path } = yield* firstPage(access)
    const tags: Array<string> = [...first.tags]
    const seen = new Set([path])
    let page: Page | undefined = first
    while (page?.next !== undefined) {
      if (seen.has(page.next) || seen.size >= PAGES) {
        return yield* errorOf(
          requestOf(access, page.next),
          "InvalidAnswer",
          "the list of tags does not end: a page links back, or there are too many pages"
        )
      }
      seen.add(page.next)
      page = yield* tagPage(access, page.next, page.left, false)
      for (const tag of page?.tags ?? []) tags.push(tag)
    }
    return tags
  }, spanOf("tags"))
}
