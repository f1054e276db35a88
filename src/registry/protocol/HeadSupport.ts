/**
 * Which hosts answer HEAD of a manifest as the distribution specification says. Some answer 400, 404, 405, 412 or 501 to
 * HEAD where GET gives the manifest, such as Nexus (https://github.com/crazy-max/diun/issues/1614), or give no digest.
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

/** The most remembered hosts. A forgotten one costs one more request. */
const HOSTS = 1_000

export class HeadSupport {
  readonly #hosts = new BoundedMap<string, "Answers" | "Misleads">({ capacity: HOSTS })

  /** Whether a host has answered HEAD with a digest. Then its 404 is believed. */
  answers(access: RepositoryAccess): boolean {
    return this.#hosts.get(trustedHost(access)) === "Answers"
  }

  /** Whether GET gave a manifest that HEAD did not describe. Then the host gets no HEAD. */
  misleads(access: RepositoryAccess): boolean {
    return this.#hosts.get(trustedHost(access)) === "Misleads"
  }

  answered(access: RepositoryAccess): void {
    if (!this.misleads(access)) this.#hosts.set(trustedHost(access), "Answers")
  }

  misled(access: RepositoryAccess): void {
    this.#hosts.set(trustedHost(access), "Misleads")
  }
}
