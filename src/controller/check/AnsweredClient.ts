/**
 * A RegistryClient that remembers the answers of registries. A check that a rate limit interrupted resumes where it stopped and
 * sends no request twice.
 */
import { Effect, Option } from "effect"
import type { Descriptor, Manifest } from "../../oci/Manifest.ts"
import { formatRepository, type Repository } from "../../oci/Reference.ts"
import type { Referrer } from "../../oci/Referrers.ts"
import type { RegistryClient } from "../../registry/RegistryClient.ts"
import type { RegistryError } from "../../registry/RegistryError.ts"

/** The answers of one repository. */
interface Answers {
  /** At most one list. */
  readonly tags: Map<"all", ReadonlyArray<string>>
  /** By reference. */
  readonly heads: Map<string, Option.Option<Descriptor>>
  /** By digest. */
  readonly manifests: Map<string, Manifest>
  /** By digest. */
  readonly referrers: Map<string, ReadonlyArray<Referrer>>
}

/** The most bytes of remembered manifests. Other manifests are read again. A registry decides how large a manifest is. */
const MANIFEST_BYTES = 16 * 1024 * 1024
/** The memory that a text or a descriptor takes, roughly. */
const TEXT_BYTES = 60
const DESCRIPTOR_BYTES = 300

export class AnsweredClient {
  /** The client. A repeated request is answered from memory. Failures are not remembered. */
  readonly client: RegistryClient["Service"]
  readonly #repositories = new Map<string, Answers>()
  #manifestBytes = 0

  constructor(registry: RegistryClient["Service"]) {
    const of = (repository: Repository): Answers => this.#of(repository)
    this.client = {
      ...registry,
      tags: (access) => once(of(access.repository).tags, "all", registry.tags(access)),
      head: (access, reference) => once(of(access.repository).heads, reference, registry.head(access, reference)),
      referrers: (access, digest) => once(of(access.repository).referrers, digest, registry.referrers(access, digest)),
      manifest: (access, reference) =>
        Effect.suspend(() => {
          const answers = of(access.repository)
          const head = Option.getOrUndefined(answers.heads.get(reference) ?? Option.none())
          const known = answers.manifests.get(head?.digest ?? reference)
          if (known !== undefined) return Effect.succeed(known)
          return Effect.tap(registry.manifest(access, reference), (manifest) =>
            Effect.sync(() => this.#keep(answers, reference, manifest))
          )
        })
    }
  }

  /** The bytes of memory that the answers take, roughly. */
  get bytes(): number {
    let bytes = this.#manifestBytes
    for (const { heads, manifests, referrers, tags } of this.#repositories.values()) {
      bytes += (heads.size + manifests.size) * DESCRIPTOR_BYTES
      for (const list of referrers.values()) bytes += (list.length + 1) * DESCRIPTOR_BYTES
      for (const tag of tags.get("all") ?? []) bytes += tag.length + TEXT_BYTES
    }
    return bytes
  }

  /** Forgets the list of a repository's tags, or its answers to HEAD. The next request goes to the registry. */
  forget(repository: Repository, answers: "tags" | "heads"): void {
    this.#of(repository)[answers].clear()
  }

  #of(repository: Repository): Answers {
    const name = formatRepository(repository)
    const known = this.#repositories.get(name)
    if (known !== undefined) return known
    const none: Answers = { tags: new Map(), heads: new Map(), manifests: new Map(), referrers: new Map() }
    this.#repositories.set(name, none)
    return none
  }

  /** Keeps a manifest. The manifest answers later HEADs too. */
  #keep({ heads, manifests }: Answers, reference: string, manifest: Manifest): void {
    const { bytes, digest, mediaType, size } = manifest
    heads.set(reference, Option.some({ digest, mediaType, size }))
    if (manifests.has(digest) || this.#manifestBytes + bytes.length > MANIFEST_BYTES) return
    manifests.set(digest, manifest)
    this.#manifestBytes += bytes.length
  }
}

/** The remembered answer, or else the registry's, which is remembered. */
const once = <K, A>(
  answers: Map<K, A>,
  question: K,
  ask: Effect.Effect<A, RegistryError>
): Effect.Effect<A, RegistryError> =>
  Effect.suspend(() => {
    const known = answers.get(question)
    if (known !== undefined) return Effect.succeed(known)
    return Effect.tap(ask, (answer) => Effect.sync(() => answers.set(question, answer)))
  })
