/** A credential and a host as keys, and texts without secrets. */
import { createHmac, randomBytes } from "node:crypto"
import { Option, Redacted } from "effect"
import { registryHost } from "../oci/Reference.ts"
import type { Credential, RepositoryAccess } from "./RegistryClient.ts"

/** Known to this process alone, so that no other can guess a secret by its HMAC. */
const KEY = randomBytes(32)

/** Identities by credential: each is used for many requests. */
const identities = new WeakMap<Credential, string>()

/**
 * The identity of a credential: an HMAC, the same for equal credentials while this process lives, and another for another
 * password of the same user. It may be part of a key: it reveals nothing of the secret.
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

/** A text of a stranger, such as a Job's log, without the secrets of a credential. */
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

/** A text without the token or credential of an Authorization header. */
export const withoutBrought = (text: string, header: string | undefined): string =>
  header === undefined ? text : without(text, header.slice(header.indexOf(" ") + 1))

const without = (text: string, hidden: string): string => (hidden === "" ? text : text.replaceAll(hidden, "<redacted>"))
