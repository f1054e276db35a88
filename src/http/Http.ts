/** A request over HTTP and its answer, as far as registries need them. */

export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE"
  readonly url: string
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>
  readonly body?: HttpBody
}

/** Bytes, or what brings exactly `size` of them: a chunk is its own only until the next is asked for. */
export type HttpBody = Uint8Array | { readonly bytes: AsyncIterable<Uint8Array>; readonly size: number }

/** An answer's head. */
export interface HttpHead {
  readonly status: number
  /** By lower-case name; what is repeated in one line, divided by commas. */
  readonly headers: Readonly<Record<string, string | undefined>>
}

export interface HttpAnswer extends HttpHead {
  readonly request: HttpRequest
  /** The body, to be read once. A chunk is good until the next is asked for. */
  readonly body: AsyncIterable<Uint8Array>
  /** Ends the connection with whatever has not been read. */
  readonly discard: () => void
}

export const get = (url: string, headers: HttpRequest["headers"]): HttpRequest => ({ method: "GET", url, headers })

/** A POST of fields as forms have them. */
export const form = (url: string, fields: Readonly<Record<string, string>>): HttpRequest => ({
  method: "POST",
  url,
  headers: { accept: "application/json", "content-type": "application/x-www-form-urlencoded" },
  body: Buffer.from(new URLSearchParams(fields).toString())
})

export const withHeaders = (request: HttpRequest, headers: HttpRequest["headers"]): HttpRequest => ({
  ...request,
  headers: { ...request.headers, ...headers }
})

export const withoutHeader = (request: HttpRequest, name: string): HttpRequest => {
  const { [name]: _, ...headers } = request.headers
  return { ...request, headers }
}
