/** What may be said of a credential and its registry, and what must not be. */
import { createHmac, randomBytes } from "node:crypto"
import { Option, Redacted } from "effect"
import { registryHost } from "../oci/Reference.ts"
import type { Credential, RepositoryAccess } from "./RegistryClient.ts"

/** Of this process alone: what is made with it cannot be guessed back elsewhere. */
const KEY = randomBytes(32)

/** What was made of a credential: one is used for many requests. */
const identities = new WeakMap<Credential, string>()

/**
 * Who asks a registry: the same for the same credential as long as this process lives, and another for another one, also
 * of the same user. It tells nothing of the secret, so that it may be a part of a key.
 */
export const identity = ({ credential }: Pick<RepositoryAccess, "credential">): string =>
  Option.match(credential, {
    onNone: () => "anonymous",
    onSome: (known) => {
      const found = identities.get(known) ?? identityOf(known)
      identities.set(known, found)
      return found
    }
  })

const identityOf = ({ identityToken, password, username }: Credential): string => {
  const secrets = [password, ...(identityToken === undefined ? [] : [identityToken])].map(Redacted.value)
  return createHmac("sha256", KEY)
    .update(JSON.stringify([username, ...secrets]))
    .digest("hex")
}

/**
 * A registry's host and whether it is verified, as a key: whoever answers in the place of a host that is not verified must
 * not change what is known of the host where it is, such as the token server that its credentials go to.
 */
export const trustedHost = ({ repository, tlsVerify }: Pick<RepositoryAccess, "repository" | "tlsVerify">): string =>
  `${tlsVerify ? "verified" : "unverified"} ${registryHost(repository.registry)}`

/** The text without any secret of the credential in it: for words that come from elsewhere, such as a Job's log. */
export const withoutSecrets = (text: string, access: RepositoryAccess): string =>
  Option.match(access.credential, {
    onNone: () => text,
    onSome: ({ identityToken, password, username }) => {
      const secret = Redacted.value(password)
      const token = identityToken === undefined ? "" : Redacted.value(identityToken)
      const encoded = secret === "" ? "" : Buffer.from(`${username}:${secret}`).toString("base64")
      return [encoded, secret, token].reduce(without, text)
    }
  })

/** The text without what an Authorization header brought: a token, of which the access knows nothing, or a credential. */
export const withoutBrought = (text: string, header: string | undefined): string =>
  header === undefined ? text : without(text, header.slice(header.indexOf(" ") + 1))

const without = (text: string, hidden: string): string => (hidden === "" ? text : text.replaceAll(hidden, "<redacted>"))
