/** What may be said of a credential, and what must not be. */
import { createHmac, randomBytes } from "node:crypto"
import { Option, Redacted } from "effect"
import type { Credential, RepositoryAccess } from "./RegistryClient.ts"

/** Of this process alone: what is made with it cannot be guessed back elsewhere. */
const KEY = randomBytes(32)

/** Names who asks: the same for the same credential, as long as this process lives; tells nothing of its secret. */
export const identityOf = (credential: Option.Option<Credential>): string =>
  Option.match(credential, {
    onNone: () => "anonymous",
    onSome: ({ identityToken, password, username }) => {
      const secrets = [password, ...(identityToken === undefined ? [] : [identityToken])].map(Redacted.value)
      return createHmac("sha256", KEY)
        .update(JSON.stringify([username, ...secrets]))
        .digest("hex")
    }
  })

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
