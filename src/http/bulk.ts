/**
 * Reads a body directly from its socket into a few reused buffers. Node's HTTP clients allocate and copy each chunk,
 * which costs twice the processor time of the copy itself (`npm run bench -- copy` shows the cost). This reader reads
 * only bodies of known length. For all other bodies HttpClient repeats the request with the general reader.
 */
import { validateHeaderValue } from "node:http"
import * as net from "node:net"
import * as tls from "node:tls"
import { Effect } from "effect"
import { ConnectionError, type ConnectionErrorReason, type Progress } from "./ConnectionError.ts"
import { bareHost, type HttpHead, type HttpRequest, portOf } from "./Http.ts"
import { ipVersion } from "./ipVersion.ts"

export interface BulkReaderOptions {
  /** Whether certificates are checked. */
  readonly rejectUnauthorized: boolean
  /** The trusted authorities. Default the system's. */
  readonly secureContext?: tls.SecureContext
  /** Resolves host names to addresses. Default the system's resolver. */
  readonly lookup?: net.LookupFunction
  /** The time limit for making a connection, in milliseconds. */
  readonly connectMillis: number
  /** The most idle connections that are kept for one host. */
  readonly idleConnections: number
}

/** An answer's head, and its body if the answer gives the body's length. */
export interface BulkAnswer extends HttpHead {
  /**
   * The body of exactly `content-length` bytes. Absent if the answer has no length. A chunk is valid until the next
   * chunk is requested. The connection is reused once the body has been read to its end.
   */
  readonly bytes?: AsyncIterable<Uint8Array>
  /** Closes the connection if the body has not been read to its end. */
  readonly discard: () => void
}

const BUFFER_BYTES = 256 * 1024
/** More than a socket's write buffer, so a reader that requests the next chunk has already sent this one. */
const CHUNK_BYTES = 128 * 1024
const BUFFERS = 3
const HEAD_BYTES = 64 * 1024
const IDLE_MILLIS = 4_000

interface Chunk {
  readonly bytes: Uint8Array
  readonly buffer: Uint8Array<ArrayBuffer>
}

/** One connection. It sends one request at a time and reads the answer into its own buffers. */
class Connection {
  readonly #socket: net.Socket
  readonly #free: Array<Uint8Array<ArrayBuffer>>
  #current: Uint8Array<ArrayBuffer>
  #start = 0
  #end = 0
  #state: "idle" | "head" | "body" = "idle"
  #remaining = 0
  #chunks: Array<Chunk> = []
  #paused = false
  #failure: ConnectionError | undefined
  #isConnected = false
  #onConnect: () => void = () => {}
  #wake: () => void = () => {}
  #onIdle: () => void = () => {}
  #answer: { readonly resolve: (answer: BulkAnswer) => void; readonly reject: (error: unknown) => void } | undefined

  constructor(url: URL, options: BulkReaderOptions, onClose: (connection: Connection) => void) {
    this.#free = Array.from({ length: BUFFERS - 1 }, () => Buffer.allocUnsafeSlow(BUFFER_BYTES))
    this.#current = Buffer.allocUnsafeSlow(BUFFER_BYTES)
    const host = bareHost(url.hostname)
    const onread = {
      buffer: () => this.#current.subarray(this.#end),
      callback: (size: number) => this.#received(size)
    }
    const lookup = options.lookup === undefined ? {} : { lookup: options.lookup }
    const secure = {
      host,
      ...lookup,
      port: Number(portOf(url)),
      ...(ipVersion(host) === 0 ? { servername: host } : {}),
      rejectUnauthorized: options.rejectUnauthorized,
      ...(options.secureContext === undefined ? {} : { secureContext: options.secureContext }),
      ALPNProtocols: ["http/1.1"],
      onread
    }
    this.#socket =
      url.protocol === "https:"
        ? tls.connect(secure)
        : net.connect({ host, port: Number(portOf(url)), ...lookup, onread })
    this.#socket.setNoDelay(true)
    this.#socket.setTimeout(options.connectMillis, () => this.#fail(ConnectionError.timedOut()))
    this.#socket.once(url.protocol === "https:" ? "secureConnect" : "connect", () => {
      this.#isConnected = true
      this.#socket.setTimeout(0)
      this.#onConnect()
    })
    this.#socket.on("error", (error) => this.#fail(error))
    this.#socket.on("close", () => {
      this.#failWith({ _tag: "Closed" }, "the connection was closed in the middle of an answer")
      onClose(this)
    })
  }

  get progress(): Progress {
    return { isConnected: this.#isConnected, isAnswered: false }
  }

  get isUsable(): boolean {
    return this.#state === "idle" && this.#failure === undefined && !this.#socket.destroyed
  }

  /** Sends a GET and resolves with the head of the answer. */
  get(url: URL, headers: HttpRequest["headers"], onIdle: () => void): Promise<BulkAnswer> {
    this.#state = "head"
    this.#onIdle = onIdle
    return new Promise((resolve, reject) => {
      const lines = Object.entries({ host: url.host, accept: "*/*", ...headers }).map(([name, value]) => {
        validateHeaderValue(name, value)
        return `${name}: ${value}`
      })
      this.#answer = { resolve, reject }
      if (this.#failure !== undefined) return reject(this.#failure)
      this.#socket.ref()
      const head = `GET ${url.pathname}${url.search} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`
      const write = () => this.#socket.write(head, "latin1")
      // If a request is written before TLS is set up and TLS fails, Node gives an error without a code.
      if (!this.#isConnected) {
        this.#onConnect = write
        return
      }
      this.#socket.setTimeout(0)
      write()
    })
  }

  discard(): void {
    this.#socket.destroy()
  }

  /** Handles bytes in the current buffer. `false` stops reading until a buffer is free. */
  #received(size: number): boolean {
    this.#end += size
    if (this.#state === "head") this.#readHead()
    if (this.#state !== "body") {
      if (this.#state === "idle" && this.#end > 0)
        this.#failWith({ _tag: "NotHttp" }, "the host sent more than its answer")
      return true
    }
    const held = this.#end - this.#start
    if (held > this.#remaining) {
      this.#failWith({ _tag: "NotHttp" }, "the host sent more than its answer")
      return false
    }
    if (held === this.#remaining || held >= CHUNK_BYTES || this.#end === BUFFER_BYTES) this.#handOver()
    return !this.#paused
  }

  /**
   * Passes on the bytes of the current buffer and continues with the next buffer. At least one buffer is always free.
   */
  #handOver(): void {
    const bytes = this.#current.subarray(this.#start, this.#end)
    this.#remaining -= bytes.length
    this.#chunks.push({ bytes, buffer: this.#current })
    this.#current = this.#free.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES)
    this.#start = 0
    this.#end = 0
    if (this.#free.length === 0) this.#paused = true
    this.#wake()
  }

  #readHead(): void {
    const held = Buffer.from(this.#current.buffer, this.#current.byteOffset, this.#end)
    const end = held.indexOf("\r\n\r\n")
    if (end < 0) {
      if (this.#end > HEAD_BYTES) this.#failWith({ _tag: "NotHttp" }, "the head of the answer does not end")
      return
    }
    const head = parseHead(held.toString("latin1", 0, end))
    if (head === undefined) return this.#failWith({ _tag: "NotHttp" }, "the answer is not HTTP")
    const length = /^[0-9]{1,15}$/u.exec(head.headers["content-length"] ?? "")?.[0]
    const isBodiless = head.status < 200 || head.status === 204 || head.status === 304
    const plain = length !== undefined && head.headers["transfer-encoding"] === undefined && !isBodiless
    let isRead = false
    // Once the body is read, another request may use the connection.
    const discard = () => isRead || this.discard()
    const answer = this.#answer
    this.#answer = undefined
    if (!plain) {
      this.#state = "idle"
      answer?.resolve({ ...head, discard })
      return
    }
    this.#state = "body"
    this.#start = end + 4
    this.#remaining = Number(length)
    const reusable = (head.headers["connection"] ?? "").toLowerCase() !== "close"
    answer?.resolve({ ...head, bytes: this.#read(reusable, () => (isRead = true)), discard })
  }

  async *#read(reusable: boolean, onRead: () => void): AsyncGenerator<Uint8Array> {
    let complete = false
    try {
      while (true) {
        const chunk = this.#chunks.shift()
        if (chunk !== undefined) {
          // A short last chunk may wait in the destination's socket while this connection's buffers are reused: copy
          // it.
          yield chunk.bytes.length < CHUNK_BYTES ? Uint8Array.from(chunk.bytes) : chunk.bytes
          this.#recycle(chunk.buffer)
          continue
        }
        if (this.#remaining === 0) break
        if (this.#failure !== undefined) throw this.#failure
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
      complete = true
    } finally {
      if (complete && reusable && this.#failure === undefined) {
        onRead()
        this.#state = "idle"
        this.#socket.unref()
        this.#socket.setTimeout(IDLE_MILLIS)
        this.#onIdle()
      } else {
        this.discard()
      }
    }
  }

  #recycle(buffer: Uint8Array<ArrayBuffer>): void {
    this.#free.push(buffer)
    if (!this.#paused) return
    this.#paused = false
    this.#socket.resume()
  }

  #failWith(reason: ConnectionErrorReason, detail: string): void {
    this.#fail(ConnectionError.of(reason, detail))
  }

  #fail(error: unknown): void {
    this.#failure ??= ConnectionError.from(error, {
      isConnected: this.#isConnected,
      isAnswered: this.#state === "body"
    })
    // The received bytes are passed on, so that a resumed read continues after them.
    const held = this.#end - this.#start
    if (this.#state === "body" && held > 0 && held <= this.#remaining) this.#handOver()
    this.#answer?.reject(this.#failure)
    this.#answer = undefined
    this.#socket.destroy()
    this.#wake()
  }
}

/** Parses the head of an answer by RFC 9112. */
const parseHead = (text: string): HttpHead | undefined => {
  const [first = "", ...lines] = text.split("\r\n")
  const status = /^HTTP\/1\.[01] ([0-9]{3})(?: |$)/u.exec(first)?.[1]
  if (status === undefined) return undefined
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const colon = line.indexOf(":")
    if (colon <= 0) return undefined
    const name = line.slice(0, colon).toLowerCase()
    const value = line.slice(colon + 1).trim()
    // The last of repeated headers counts. WWW-Authenticate is joined: each scheme may have its own line.
    const before = name === "www-authenticate" ? headers[name] : undefined
    headers[name] = before === undefined ? value : `${before}, ${value}`
  }
  // An HTTP/1.0 server closes the connection after its answer.
  if (first.startsWith("HTTP/1.0")) headers["connection"] ??= "close"
  return { status: Number(status), headers }
}

/** A pool of connections by origin, which are reused from one blob to the next. */
export class BulkReader {
  readonly #options: BulkReaderOptions
  readonly #idle = new Map<string, Array<Connection>>()
  readonly #open = new Set<Connection>()

  constructor(options: BulkReaderOptions) {
    this.#options = options
  }

  /** Sends a GET. */
  get(url: URL, headers: HttpRequest["headers"]): Effect.Effect<BulkAnswer, ConnectionError> {
    const fresh = Effect.suspend(() => {
      const connection = new Connection(url, this.#options, (closed) => {
        this.#open.delete(closed)
        this.#forget(url.origin, closed)
      })
      this.#open.add(connection)
      return this.#send(connection, url, headers)
    })
    return Effect.suspend(() => {
      const kept = this.#kept(url.origin)
      // The host may have closed the idle connection just now.
      return kept === undefined ? fresh : Effect.catch(this.#send(kept, url, headers), () => fresh)
    })
  }

  close(): void {
    for (const connection of this.#open) connection.discard()
    this.#open.clear()
    this.#idle.clear()
  }

  /** Registries redirect to any number of origins, so an origin without idle connections is not remembered. */
  #forget(origin: string, closed: Connection): void {
    const idle = (this.#idle.get(origin) ?? []).filter((connection) => connection !== closed)
    if (idle.length === 0) this.#idle.delete(origin)
    else this.#idle.set(origin, idle)
  }

  #kept(origin: string): Connection | undefined {
    const idle = this.#idle.get(origin) ?? []
    while (idle.length > 0) {
      const connection = idle.pop()
      if (connection?.isUsable === true) return connection
    }
    return undefined
  }

  #send(connection: Connection, url: URL, headers: HttpRequest["headers"]): Effect.Effect<BulkAnswer, ConnectionError> {
    return Effect.callback<BulkAnswer, ConnectionError>((resume) => {
      connection
        .get(url, headers, () => this.#keep(url.origin, connection))
        .then(
          (answer) => resume(Effect.succeed(answer)),
          (error: unknown) => {
            connection.discard()
            resume(Effect.fail(ConnectionError.from(error, connection.progress)))
          }
        )
      return Effect.sync(() => connection.discard())
    })
  }

  #keep(origin: string, connection: Connection): void {
    const idle = this.#idle.get(origin) ?? []
    this.#idle.set(origin, idle)
    if (idle.length < this.#options.idleConnections) idle.push(connection)
    else connection.discard()
  }
}
