/** What must not be said of how a repository is reached. */
import { Option, Redacted } from "effect"
import type { RepositoryAccess } from "./RegistryClient.ts"

/** The text without any secret of the credential in it: for words that come from elsewhere, such as a Job's log. */
export const withoutSecrets = (text: string, access: RepositoryAccess): string =>
  Option.match(access.credential, {
    onNone: () => text,
    onSome: ({ identityToken, password, username }) => {
      const secret = Redacted.value(password)
      const token = identityToken === undefined ? "" : Redacted.value(identityToken)
      const encoded = secret === "" ? "" : Buffer.from(`${username}:${secret}`).toString("base64")
      return [encoded, secret, token]
        .filter((hidden) => hidden !== "")
        .reduce((rest, hidden) => rest.replaceAll(hidden, "<redacted>"), text)
    }
  })
