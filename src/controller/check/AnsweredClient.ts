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
  /** In the order in which they were asked. */
  readonly #unanswered = new Set<{ readonly subject: string }>()
  #manifestBytes = 0

  constructor(registry: RegistryClient["Service"]) {
    const of = (repository: Repository): Answers => this.#of(repository)
    this.client = {
      ...registry,
      tags: (access) => {
        const { repository } = access
        return once(
          of(repository).tags,
          "all",
          this.#waiting(`the tags of ${formatRepository(repository)}`, registry.tags(access))
        )
      },
      head: (access, reference) => {
        const { repository } = access
        return once(
          of(repository).heads,
          reference,
          this.#waiting(nameIn(repository, reference), registry.head(access, reference))
        )
      },
      referrers: (access, digest) => {
        const { repository } = access
        const ask = registry.referrers(access, digest)
        return once(
          of(repository).referrers,
          digest,
          this.#waiting(`the referrers of ${nameIn(repository, digest)}`, ask)
        )
      },
      manifest: (access, reference) =>
        Effect.suspend(() => {
          const answers = of(access.repository)
          const head = Option.getOrUndefined(answers.heads.get(reference) ?? Option.none())
          const known = answers.manifests.get(head?.digest ?? reference)
          if (known !== undefined) return Effect.succeed(known)
          const ask = this.#waiting(nameIn(access.repository, reference), registry.manifest(access, reference))
          return Effect.tap(ask, (manifest) => Effect.sync(() => this.#keep(answers, reference, manifest)))
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

  /** The question that has waited longest for its answer, such as `docker.io/library/node:24`. */
  get waitsFor(): string | undefined {
    const [oldest] = this.#unanswered
    return oldest?.subject
  }

  /** Forgets the list of a repository's tags, or its answers to HEAD. The next request goes to the registry. */
  forget(repository: Repository, answers: "tags" | "heads"): void {
    this.#of(repository)[answers].clear()
  }

  /** Forgets what a copy has made untrue: what the tag and the referrers of its image are, and which tags there are. */
  written(repository: Repository, tag: string, digest: string): void {
    const { heads, referrers, tags } = this.#of(repository)
    tags.clear()
    heads.delete(tag)
    referrers.delete(digest)
  }

  #waiting<A>(subject: string, ask: Effect.Effect<A, RegistryError>): Effect.Effect<A, RegistryError> {
    return Effect.suspend(() => {
      const question = { subject }
      this.#unanswered.add(question)
      return Effect.ensuring(
        ask,
        Effect.sync(() => this.#unanswered.delete(question))
      )
    })
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

const nameIn = (repository: Repository, reference: string): string =>
  `${formatRepository(repository)}${reference.includes(":") ? "@" : ":"}${reference}`

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
