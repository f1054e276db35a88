/** How a repository is reached: the one place where an Image, the configuration and the credentials meet. */
import { Option, Redacted } from "effect"
import type { Repository } from "../domain/Reference.ts"
import type { Credentials, RegistrySide } from "./Credentials.ts"
import type { RepositoryAccess } from "./RegistryClient.ts"

export const accessTo = (
  credentials: Credentials["Service"],
  side: RegistrySide,
  repository: Repository,
  tlsVerify: boolean
): RepositoryAccess => ({
  repository,
  tlsVerify,
  credential: credentials.find(side, repository.registry).credential
})

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
