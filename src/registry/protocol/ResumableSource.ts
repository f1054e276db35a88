/** A blob as it comes from its registry: checked, and resumed where it breaks off. */
import { createHash } from "node:crypto"
import { Cause, type Context, type Duration, Effect, Exit, Option, type Scope } from "effect"
import type { BodyStream } from "../../http/Http.ts"
import type { BlobDescriptor } from "../../oci/Manifest.ts"
import { RegistryError } from "../RegistryError.ts"
import type { RepositoryAccess } from "../RegistryClient.ts"

/** A blob that is being read. */
export interface OpenBlob extends BodyStream {
  /** The error that a failed read is. */
  readonly brokenBy: (cause: unknown) => RegistryError
}

/** How often the read of one blob is resumed. */
const RESUMPTIONS = 3

export interface SourceOptions {
  readonly access: RepositoryAccess
  readonly blob: BlobDescriptor
  /** Asks for the blob's bytes from an offset on. */
  readonly open: (offset: number) => Effect.Effect<OpenBlob, RegistryError>
  /** The pause before a read goes on. */
  readonly resumeDelay: Duration.Input
  /** Hears of bytes as they pass; a negative number takes back those of an attempt that failed. */
  readonly onBytes?: (bytes: number) => void
}

/** One reader reads it once. */
export class ResumableSource {
  readonly #options: SourceOptions
  readonly #services: Context.Context<never>
  #current: OpenBlob
  #passed = 0
  #isReading = false
  #isRetracted = false
  #isClosed = false
  #failure: RegistryError | undefined
  #resuming: AbortController | undefined

  private constructor(options: SourceOptions, first: OpenBlob, services: Context.Context<never>) {
    this.#options = options
    this.#current = first
    this.#services = services
  }

  /** Asks for the first byte. The connection ends with the scope, and so does a request that is still in flight. */
  static open(options: SourceOptions): Effect.Effect<ResumableSource, RegistryError, Scope.Scope> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const services = yield* Effect.context()
        const first = yield* restore(options.open(0))
        const source = new ResumableSource(options, first, services)
        yield* Effect.addFinalizer(() => Effect.sync(() => source.#close()))
        return source
      })
    )
  }

  /** Whether the reader waits for the registry now. */
  get isReading(): boolean {
    return this.#isReading
  }

  /** Why the blob could not be read to its end, or is damaged. The reader of {@link bytes} may fail for its own reasons. */
  get failure(): RegistryError | undefined {
    return this.#failure
  }

  /** Takes back the bytes that have passed. A reader that has failed may ask for one more chunk, which counts no more. */
  retract(): void {
    this.#isRetracted = true
    this.#options.onBytes?.(-this.#passed)
  }

  async *bytes(): AsyncGenerator<Uint8Array> {
    const { blob, onBytes } = this.#options
    const hash = createHash("sha256")
    for (let breaks = 0; ; breaks++) {
      try {
        this.#isReading = true
        for await (const chunk of this.#current.bytes) {
          if (this.#isRetracted) return
          this.#passed += chunk.length
          if (this.#passed > blob.size) throw this.#damaged(`has more bytes than its ${blob.size}`)
          hash.update(chunk)
          onBytes?.(chunk.length)
          this.#isReading = false
          yield chunk
          this.#isReading = true
        }
        break
      } catch (cause) {
        if (this.#failure !== undefined || this.#isClosed) throw cause
        // Content-Length was too large, but the whole blob has arrived.
        if (this.#passed === blob.size) break
        if (breaks === RESUMPTIONS) throw this.#failWith(this.#current.brokenBy(cause))
        this.#current = await this.#resume(cause)
      }
    }
    this.#isReading = false
    if (this.#passed !== blob.size) throw this.#damaged(`has ${this.#passed} bytes instead of ${blob.size}`)
    const found = `sha256:${hash.digest("hex")}`
    if (found !== blob.digest) throw this.#damaged(`has bytes of ${found}`)
  }

  async #resume(cause: unknown): Promise<OpenBlob> {
    this.#resuming = new AbortController()
    const { signal } = this.#resuming
    const { open, resumeDelay } = this.#options
    const rest = Effect.delay(open(this.#passed), resumeDelay)
    const exit = await Effect.runPromiseExitWith(this.#services)(rest, { signal })
    if (Exit.isSuccess(exit)) return exit.value
    throw this.#failWith(Option.getOrElse(Cause.findErrorOption(exit.cause), () => this.#current.brokenBy(cause)))
  }

  #damaged(detail: string): RegistryError {
    const { access, blob } = this.#options
    return this.#failWith(RegistryError.damaged(access.repository, blob)(detail))
  }

  #failWith(error: RegistryError): RegistryError {
    this.#failure = error
    return error
  }

  #close(): void {
    this.#isClosed = true
    this.#resuming?.abort()
    this.#current.discard()
  }
}

/**
 * The bytes after an offset, of a host that knows no ranges. The rest of a chunk is copied: a short one may wait in a
 * socket until after its buffer is used again.
 */
export async function* skip(bytes: AsyncIterable<Uint8Array>, offset: number): AsyncGenerator<Uint8Array> {
  let passed = 0
  for await (const chunk of bytes) {
    const from = Math.min(chunk.length, Math.max(0, offset - passed))
    passed += chunk.length
    if (from < chunk.length) yield from === 0 ? chunk : Uint8Array.from(chunk.subarray(from))
  }
}
