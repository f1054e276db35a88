/** Lists of tags, page by page, by the distribution specification; each registry has its own idea of a page. */
import { Effect, Option, Schema } from "effect"
import { errorAt, mediaTypeOf, operationOf, refused, textOf } from "./HttpAnswer.ts"
import { followed } from "./NextPage.ts"
import type { RegistryError, RepositoryAccess } from "./RegistryClient.ts"
import { pathOf, type Requests } from "./Requests.ts"

const PAGE_BYTES = 16 * 1024 * 1024
const PAGES = 1_000
const TAGS = 1_000_000

/** What is asked for, in turn: ECR refuses more than 1,000, others more than 100, some any number at all. */
const PAGE_SIZES = ["?n=1000", "?n=100", ""]
const REFUSED_SIZE = new Set([400, 413])

const TagPage = Schema.fromJsonString(
  Schema.Struct({ tags: Schema.optional(Schema.NullOr(Schema.Array(Schema.String))) })
)

interface Page {
  readonly tags: ReadonlyArray<string>
  readonly next: string | undefined
}

/** All tags of a repository, in the registry's order. */
export const make = ({ bounded, repeated, request }: Requests) => {
  /** A page, or `undefined` if the registry does not want to answer with so many. */
  const tagPage = (access: RepositoryAccess, path: string, first: boolean) =>
    repeated(
      bounded(
        access,
        "listing tags",
        Effect.gen(function* (): Effect.gen.Return<Page | undefined, RegistryError> {
          const { origin, response } = yield* request(access, "list", (base) => ({
            method: "GET",
            url: base + path,
            headers: { accept: "application/json" }
          }))
          if (first && REFUSED_SIZE.has(response.status)) {
            return yield* Effect.as(Effect.ignore(refused(access, "GET", response)), undefined)
          }
          if (response.status !== 200) return yield* refused(access, "GET", response)
          const text = yield* textOf(access, response, PAGE_BYTES)
          const page = Schema.decodeUnknownOption(TagPage)(text)
          if (Option.isNone(page)) {
            const type = mediaTypeOf(response) || "something"
            return yield* errorAt(
              access,
              "InvalidAnswer",
              `${operationOf(response.request)} answered with ${type} that is no list of tags; is ${access.repository.registry} a container registry?`
            )
          }
          const next = yield* followed(access, "tags", { origin, path, link: response.headers["link"] })
          return { tags: page.value.tags ?? [], next }
        })
      )
    )

  const firstPage = Effect.fnUntraced(function* (
    access: RepositoryAccess
  ): Effect.fn.Return<{ readonly page: Page; readonly path: string }, RegistryError> {
    const base = pathOf(access.repository, "tags/list")
    for (const size of PAGE_SIZES) {
      const path = base + size
      const page = yield* tagPage(access, path, size !== "")
      if (page !== undefined) return { page, path }
    }
    return yield* errorAt(access, "InvalidAnswer", "the registry lists its tags in no page size")
  })

  return Effect.fnUntraced(function* (
    access: RepositoryAccess
  ): Effect.fn.Return<ReadonlyArray<string>, RegistryError> {
    const { page: first, path } = yield* firstPage(access)
    const tags: Array<string> = [...first.tags]
    const seen = new Set([path])
    let next = first.next
    while (next !== undefined) {
      if (seen.has(next) || seen.size >= PAGES || tags.length > TAGS) {
        return yield* errorAt(
          access,
          "InvalidAnswer",
          "the list of tags does not end: its pages lead back or are too many"
        )
      }
      seen.add(next)
      const page: Page | undefined = yield* tagPage(access, next, false)
      for (const tag of page?.tags ?? []) tags.push(tag)
      next = page?.next
    }
    return tags
  })
}
