/** HTTP messages: a request, and its answer. */

export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE"
  readonly url: URL
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>
  readonly body?: HttpBody
  /**
   * How much of the answer's body is read before the answer is given: at most so many bytes, 64 KiB by default. With
   * `stream` a success is given at once, and its body is read as it comes.
   */
  readonly reads?: number | "stream"
}

export type HttpBody = Uint8Array | StreamedBody

/** What brings exactly `size` bytes. A chunk is its own only until the next is asked for. */
export interface StreamedBody {
  readonly bytes: AsyncIterable<Uint8Array>
  readonly size: number
  /** Whether the bytes wait for something that has a limit of time of its own: then the body may stand still. */
  readonly isPaused?: () => boolean
}

/** An answer's head. */
export interface HttpHead {
  readonly status: number
  /** By lower-case name; the values of a header that is repeated are divided by commas. */
  readonly headers: Readonly<Record<string, string | undefined>>
}

export interface HttpResponse extends HttpHead {
  readonly request: HttpRequest
  /** The body, as far as it was read. */
  readonly bytes: Uint8Array
  /** Whether the body has more bytes, which were not read. */
  readonly isCut: boolean
  /** What a request that reads a stream gets of a success, in the place of `bytes`. */
  readonly stream?: BodyStream
}

/** A body to be read once. A chunk is good until the next is asked for. Reading fails with a ConnectionError. */
export interface BodyStream {
  readonly bytes: AsyncIterable<Uint8Array>
  /** Ends the connection with whatever has not been read. */
  readonly discard: () => void
}

/** Method and path: a query may hold what signs a request. */
export const operationOf = ({ method, url }: Pick<HttpRequest, "method" | "url">): string => `${method} ${url.pathname}`

export const get = (url: URL, headers: HttpRequest["headers"]): HttpRequest => ({ method: "GET", url, headers })

/** A POST of fields as forms have them. */
export const form = (url: URL, fields: Readonly<Record<string, string>>): HttpRequest => ({
  method: "POST",
  url,
  headers: { accept: "application/json", "content-type": "application/x-www-form-urlencoded" },
  body: Buffer.from(new URLSearchParams(fields).toString())
})

export const withHeaders = (request: HttpRequest, headers: HttpRequest["headers"]): HttpRequest => ({
  ...request,
  headers: { ...request.headers, ...headers }
})

/** A host without the brackets that an address of IPv6 has in a URL. */
export const bareHost = (host: string): string => host.replaceAll(/^\[|\]$/gu, "")

/** The port, also where it is the scheme's own. */
export const portOf = (url: URL): string => url.port || (url.protocol === "https:" ? "443" : "80")
