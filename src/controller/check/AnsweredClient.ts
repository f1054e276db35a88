/**
 * A RegistryClient that remembers the answers of registries. A check that a rate limit interrupted resumes where it stopped and
 * sends no request twice.
 */
import { Effect, Option } from "effect"
import { BoundedMap } from "../../collections/BoundedMap.ts"
import type { Descriptor, Manifest } from "../../oci/Manifest.ts"
import { formatRepository, type Repository } from "../../oci/Reference.ts"
import type { Referrer } from "../../oci/Referrers.ts"
import type { RegistryClient } from "../../registry/RegistryClient.ts"
import type { RegistryError } from "../../registry/RegistryError.ts"

/** The answers of one repository. */
interface Answers {
  /** The key of the list of tags in {@link TagLists}. */
  readonly list: symbol
  /** By reference. */
  readonly heads: Map<string, Option.Option<Descriptor>>
  /** By digest. */
  readonly manifests: Map<string, Manifest>
  /** By digest. */
  readonly referrers: Map<string, ReadonlyArray<Referrer>>
}

/** The most bytes of remembered manifests. Other manifests are read again. A registry decides how large a manifest is. */
const MANIFEST_BYTES = 1024 * 1024
/** The most remembered referrers. Other lists are read again. */
const REFERRERS = 5_000
/** The memory that a text or a descriptor takes, roughly. */
const TEXT_BYTES = 60
const DESCRIPTOR_BYTES = 300

/**
 * The lists of tags that all checks remember together. A forgotten list is read again. A key is no object, so that the list of
 * a check that was given up keeps no other answer of the check in memory.
 */
export type TagLists = BoundedMap<symbol, ReadonlyArray<string>>

/** @param capacity in bytes */
export const makeTagLists = (capacity: number): TagLists =>
  new BoundedMap({
    capacity,
    weigh: (list) => list.reduce((sum, tag) => sum + tag.length + TEXT_BYTES, DESCRIPTOR_BYTES)
  })

export class AnsweredClient {
  /** The client. A repeated request is answered from memory. Failures are not remembered. */
  readonly client: RegistryClient["Service"]
  readonly #repositories = new Map<string, Answers>()
  /** In the order in which they were asked. */
  readonly #unanswered = new Set<{ readonly subject: string }>()
  readonly #lists: TagLists
  #manifestBytes = 0
  #referrers = 0

  constructor(registry: RegistryClient["Service"], lists: TagLists) {
    this.#lists = lists
    const of = (repository: Repository): Answers => this.#of(repository)
    this.client = {
      ...registry,
      tags: (access) => {
        const { repository } = access
        return once(
          lists,
          of(repository).list,
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
      referrers: (access, digest) =>
        Effect.suspend(() => {
          const { repository } = access
          const { referrers } = of(repository)
          const known = referrers.get(digest)
          if (known !== undefined) return Effect.succeed(known)
          const ask = registry.referrers(access, digest)
          return Effect.tap(this.#waiting(`the referrers of ${nameIn(repository, digest)}`, ask), (list) =>
            Effect.sync(() => {
              if (this.#referrers + list.length > REFERRERS) return
              this.#referrers += list.length
              // A check uses no annotations, and a registry decides how long they are.
              referrers.set(
                digest,
                list.map((referrer) => {
                  const { annotations: _, ...kept } = referrer
                  return kept
                })
              )
            })
          )
        }),
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

  /** The bytes of memory that the answers take, roughly, without the lists of tags. */
  get bytes(): number {
    let bytes = this.#manifestBytes
    for (const { heads, manifests, referrers } of this.#repositories.values()) {
      bytes += (heads.size + manifests.size) * DESCRIPTOR_BYTES
      for (const list of referrers.values()) bytes += (list.length + 1) * DESCRIPTOR_BYTES
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
    const of = this.#of(repository)
    if (answers === "tags") this.#lists.delete(of.list)
    else of.heads.clear()
  }

  /** Forgets the lists of tags, which are large. Call this when the check has ended. */
  close(): void {
    for (const { list } of this.#repositories.values()) this.#lists.delete(list)
  }

  /** Forgets what a copy has made untrue: what the tag and the referrers of its image are, and which tags there are. */
  written(repository: Repository, tag: string, digest: string): void {
    const answers = this.#of(repository)
    this.#lists.delete(answers.list)
    answers.heads.delete(tag)
    this.#referrers -= answers.referrers.get(digest)?.length ?? 0
    answers.referrers.delete(digest)
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
    const none: Answers = { list: Symbol(name), heads: new Map(), manifests: new Map(), referrers: new Map() }
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
  answers: Pick<Map<K, A>, "get"> & { readonly set: (question: K, answer: A) => unknown },
  question: K,
  ask: Effect.Effect<A, RegistryError>
): Effect.Effect<A, RegistryError> =>
  Effect.suspend(() => {
    const known = answers.get(question)
    if (known !== undefined) return Effect.succeed(known)
    return Effect.tap(ask, (answer) => Effect.sync(() => answers.set(question, answer)))
  })
