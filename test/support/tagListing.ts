/** A repository of thousands of tags, such as Docker Hub's `node`. */
import type { RequestListener } from "node:http"

const SUFFIXES = [
  "",
  ...[
    "alpine",
    "alpine3.20",
    "slim",
    "bookworm",
    "bookworm-slim",
    "bullseye",
    "bullseye-slim",
    "buster",
    "stretch"
  ].map((name) => `-${name}`)
]

/** Different tags: versions of three numbers with and without suffixes, in no order, as from a registry. */
export const manyTags = (count: number): ReadonlyArray<string> =>
  Array.from({ length: count }, (_, index) => {
    // The step is prime, so that each tag comes once if the count is not a multiple of the step.
    const at = (index * 7_919) % count
    const version = Math.floor(at / SUFFIXES.length)
    const patch = version % 10
    return `${Math.floor(version / 200)}.${Math.floor(version / 10) % 20}.${patch}${SUFFIXES[at % SUFFIXES.length] ?? ""}`
  })

/** A registry with prepared lists of tags only, such as `/v2/node-9036/tags/list`. */
export const tagRegistry = (sizes: ReadonlyArray<number>, pageSize: number): RequestListener => {
  const pages = new Map<string, { readonly body: string; readonly link: string | undefined }>()
  for (const size of sizes) {
    const path = `/v2/node-${size}/tags/list`
    const tags = manyTags(size)
    for (let start = 0; start === 0 || start < size; start += pageSize) {
      const last = start + pageSize < size ? tags[start + pageSize - 1] : undefined
      pages.set(`${path}${start === 0 ? "" : `?last=${tags[start - 1] ?? ""}`}`, {
        body: JSON.stringify({ name: `node-${size}`, tags: tags.slice(start, start + pageSize) }),
        link: last === undefined ? undefined : `<${path}?last=${last}>; rel="next"`
      })
    }
  }
  return (request, response) => {
    const page = pages.get((request.url ?? "").replace(/\?n=\d+$/u, ""))
    const headers = page?.link === undefined ? {} : { link: page.link }
    response.writeHead(page === undefined ? 404 : 200, { "content-type": "application/json", ...headers })
    response.end(page?.body ?? "{}")
  }
}
