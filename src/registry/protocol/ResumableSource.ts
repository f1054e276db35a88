/** Reads a blob from its registry, checks its digest, and resumes a broken read. */
import { Cause, type Context, type Duration, Effect, Exit, Option, type Scope } from "effect"
import type { BodyStream } from "../../http/Http.ts"
import { DigestHash } from "../../oci/Digest.ts"
import type { BlobDescriptor } from "../../oci/Manifest.ts"
import { RegistryError } from "../RegistryError.ts"
import type { RepositoryAccess } from "../RegistryClient.ts"

/** A blob that is being read. */
export interface OpenBlob extends BodyStream {
  /** Makes the error of a failed read. */
  readonly brokenBy: (cause: unknown) => RegistryError
  /** Why the bytes may not be those of the blob. The text ends the error of a blob that is damaged. */
  readonly whyDamaged: string
}

/** How often the read of one blob is resumed. */
const RESUMPTIONS = 3

export interface SourceOptions {
  readonly access: RepositoryAccess
  readonly blob: BlobDescriptor
  /** Requests the blob's bytes from an offset on. */
  readonly open: (offset: number) => Effect.Effect<OpenBlob, RegistryError>
  /** The pause before a read is resumed. */
  readonly resumeDelay: Duration.Input
  /** Called with the number of bytes as they pass. A negative number subtracts the bytes of a failed attempt. */
  readonly onBytes?: (bytes: number) => void
}

/** A source for one reader, who reads it once. */
export class ResumableSource {
  readonly #options: SourceOptions
  readonly #services: Context.Context<never>
  #current: OpenBlob
  #passed = 0
  #isBegun = false
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

  /** Requests the first byte. The end of the scope closes the connection and interrupts a request in flight. */
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

  /** The number of bytes that were given to the reader. */
  get passed(): number {
    return this.#passed
  }

  /** Whether the reader has asked for bytes. */
  get isBegun(): boolean {
    return this.#isBegun
  }

  /** Whether the reader is waiting for the registry. */
  get isReading(): boolean {
    return this.#isReading
  }

  /**
   * The error of a blob that is damaged or could not be read to its end. The reader of {@link bytes} may fail by
   * itself.
   */
  get failure(): RegistryError | undefined {
    return this.#failure
  }

  /** Subtracts the bytes that have passed. A failed reader may request one more chunk, which is not counted. */
  retract(): void {
    this.#isRetracted = true
    this.#options.onBytes?.(-this.#passed)
  }

  async *bytes(): AsyncGenerator<Uint8Array> {
    const { blob, onBytes } = this.#options
    const hash = new DigestHash(blob.digest)
    this.#isBegun = true
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
    const actual = hash.end()
    if (actual !== blob.digest) throw this.#damaged(`has bytes of ${actual}`)
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
    return this.#failWith(RegistryError.damaged(access.repository, blob, this.#current.whyDamaged)(detail))
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
 * Skips the bytes before an offset, for a host without support for ranges. The rest of a cut chunk is copied, because
 * a short chunk may wait in a socket while its buffer is reused.
 */
export async function* skip(bytes: AsyncIterable<Uint8Array>, offset: number): AsyncGenerator<Uint8Array> {
  let passed = 0
  for await (const chunk of bytes) {
    const from = Math.min(chunk.length, Math.max(0, offset - passed))
    passed += chunk.length
    if (from < chunk.length) yield from === 0 ? chunk : Uint8Array.from(chunk.subarray(from))
  }
}
