/** HTTP messages: a request, and its answer. */

export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE"
  readonly url: URL
  /** Header names are lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body?: HttpBody
  /**
   * The most bytes of the answer's body that are read before the request succeeds. Default 64 KiB. With `stream` the
   * request succeeds once a successful answer begins, and the caller reads the body as a stream.
   */
  readonly reads?: number | "stream"
}

export type HttpBody = Uint8Array | StreamedBody

/** A source of exactly `size` bytes. A chunk is valid only until the next chunk is requested. */
export interface StreamedBody {
  readonly bytes: AsyncIterable<Uint8Array>
  readonly size: number
  /** Whether the source waits for something that has its own time limit. The idle timeout does not apply meanwhile. */
  readonly isPaused?: () => boolean
}

/** An answer's head. */
export interface HttpHead {
  readonly status: number
  /** Header names are lower case. The values of a repeated header are joined with commas. */
  readonly headers: Readonly<Record<string, string | undefined>>
}

export interface HttpResponse extends HttpHead {
  readonly request: HttpRequest
  /** The part of the body that was read. */
  readonly bytes: Uint8Array
  /** Whether the body has more bytes than were read. */
  readonly isCut: boolean
  /** The body of a successful answer to a request that reads a `stream`; `bytes` is empty then. */
  readonly stream?: BodyStream
}

/**
 * A body that is read once. A chunk is valid until the next chunk is requested. Reading fails with a ConnectionError.
 */
export interface BodyStream {
  readonly bytes: AsyncIterable<Uint8Array>
  /** Closes the connection if the body has not been read to its end. */
  readonly discard: () => void
}

/** Method and path of a request. The query is left out because it may hold a signature. */
export const operationOf = ({ method, url }: Pick<HttpRequest, "method" | "url">): string => `${method} ${url.pathname}`

export const get = (url: URL, headers: HttpRequest["headers"]): HttpRequest => ({ method: "GET", url, headers })

/** A POST of form fields. */
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

/** A host without the brackets that an IPv6 address has in a URL. */
export const bareHost = (host: string): string => host.replaceAll(/^\[|\]$/gu, "")

/** The port of a URL, including the default port of its scheme. */
export const portOf = (url: URL): string => url.port || (url.protocol === "https:" ? "443" : "80")
