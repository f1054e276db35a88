/** Keys made of credentials and hosts, and redaction of secrets in texts. */
import { createHmac, randomBytes } from "node:crypto"
import { Option, Redacted } from "effect"
import { registryHost } from "../oci/Reference.ts"
import { redact } from "../text/redact.ts"
import type { Credential, RepositoryAccess } from "./RegistryClient.ts"

/** A random key of this process. Another process cannot guess a secret from its HMAC. */
const KEY = randomBytes(32)

/** Identities by credential, because each credential is used for many requests. */
const identities = new WeakMap<Credential, string>()

/**
 * The identity of a credential: an HMAC. Equal credentials have the same identity while this process lives. Another
 * password of the same user has another identity. The identity reveals nothing of the secret, so it may be part of a
 * key.
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
 * A key made of a registry's host and `tlsVerify`. An attacker can impersonate a host whose certificate is not
 * verified. The key keeps the impersonated host's facts, such as its token server, apart from those of the verified
 * host.
 */
export const trustedHost = ({ repository, tlsVerify }: Pick<RepositoryAccess, "repository" | "tlsVerify">): string =>
  `${tlsVerify ? "verified" : "unverified"} ${registryHost(repository.registry)}`

/** Redacts the secrets of a credential in a stranger's text, such as a Job's log. */
export const withoutSecrets = (text: string, access: Pick<RepositoryAccess, "credential">): string =>
  Option.match(access.credential, {
    onNone: () => text,
    onSome: ({ identityToken, password, username }) => {
      const secret = Redacted.value(password)
      const token = identityToken === undefined ? [] : [Redacted.value(identityToken)]
      // The user is redacted with the password where both stand together, as in the header of Basic authentication.
      return redact(text, secret === "" ? token : [`${username}:${secret}`, secret, ...token])
    }
  })

/** Redacts the token or credential of an Authorization header in a text. */
export const withoutBrought = (text: string, header: string | undefined): string =>
  header === undefined ? text : redact(text, [header.slice(header.indexOf(" ") + 1)])
