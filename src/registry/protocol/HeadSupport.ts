/**
 * Which repositories answer HEAD of a manifest as the distribution specification says. Some answer 400, 404, 405, 412 or 501 to
 * HEAD where GET gives the manifest, such as Nexus (https://github.com/crazy-max/diun/issues/1614), or give no digest. One host
 * may have repositories of several kinds, such as proxies and hosted ones, which answer HEAD differently.
 */
import { BoundedMap } from "../../collections/BoundedMap.ts"
import type { RepositoryAccess } from "../RegistryClient.ts"
import { trustedHost } from "../RepositoryAccess.ts"

/**
 * Whether GET may succeed although HEAD got this status. The answer to GET also has the registry's words, which an
 * answer to HEAD cannot have.
 */
export const isAboutHead = (status: number): boolean =>
  status === 200 || status === 501 || (status >= 400 && status < 500 && status !== 401 && status !== 429)

/** Whether a status says that the registry has no HEAD. Any other refusal of HEAD may pass, such as one of a proxy. */
export const lacksHead = (status: number): boolean => status === 200 || status === 405 || status === 501

/** The most remembered repositories. A forgotten one costs two more requests. */
const REPOSITORIES = 10_000

/** What is known of a repository, or else a tag that this process has written, by which HEAD can be tried. */
type Known = "Answers" | "Misleads" | { readonly written: string }

export class HeadSupport {
  readonly #repositories = new BoundedMap<string, Known>({ capacity: REPOSITORIES })

  /** Whether a repository has answered HEAD with a digest. Then its 404 is believed. */
  answers(access: RepositoryAccess): boolean {
    return this.#repositories.get(keyOf(access)) === "Answers"
  }

  /** Whether GET gave a manifest that HEAD did not describe. Then the repository gets no HEAD. */
  misleads(access: RepositoryAccess): boolean {
    return this.#repositories.get(keyOf(access)) === "Misleads"
  }

  answered(access: RepositoryAccess): void {
    if (!this.misleads(access)) this.#repositories.set(keyOf(access), "Answers")
  }

  misled(access: RepositoryAccess): void {
    this.#repositories.set(keyOf(access), "Misleads")
  }

  wrote(access: RepositoryAccess, tag: string): void {
    if (!this.answers(access) && !this.misleads(access)) this.#repositories.set(keyOf(access), { written: tag })
  }

  /** A tag that was written to a repository of which nothing is known. Each written tag is given once. */
  takeWritten(access: RepositoryAccess): string | undefined {
    const known = this.#repositories.get(keyOf(access))
    if (typeof known !== "object") return undefined
    this.#repositories.delete(keyOf(access))
    return known.written
  }
}

const keyOf = (access: RepositoryAccess): string => `${trustedHost(access)}/${access.repository.path}`
