/** How repositories are reached: the one place where an Image, the configuration and the credentials meet. */
import { Effect, Option } from "effect"
import type { CopyTask } from "../domain/Copy.ts"
import type { RegistrySide } from "../domain/Credential.ts"
import type { RepositoryAccess } from "../registry/RegistryClient.ts"
import type { CredentialError, CredentialRequest, Credentials } from "./Credentials.ts"

interface FoundAccess {
  readonly access: RepositoryAccess
  /** Set if the credential is bound to no registry: what is wrong with that and what to set. */
  readonly unbound: string | undefined
}

/** Looks for the credential anew: it may have been changed since the last time. */
export const accessTo = (
  credentials: Credentials["Service"],
  request: CredentialRequest,
  tlsVerify: boolean
): Effect.Effect<FoundAccess, CredentialError> =>
  Effect.map(credentials.find(request), (found) => ({
    access: {
      repository: request.repository,
      tlsVerify,
      credential: Option.map(found, ({ credential }) => credential)
    },
    unbound: Option.getOrUndefined(found)?.unbound
  }))

/** Both sides of a copy. */
export interface Access extends Readonly<Record<RegistrySide, RepositoryAccess>> {
  /** What is wrong with credentials that are bound to no registry. */
  readonly unbound: ReadonlyArray<string>
}

/** {@link accessTo} both sides of a copy, each with its own credential. */
export const accessOf = (
  credentials: Credentials["Service"],
  task: Pick<CopyTask, RegistrySide | "credentials" | "tlsVerify"> & { readonly image: { readonly namespace: string } }
): Effect.Effect<Access, CredentialError> => {
  const to = (side: RegistrySide) =>
    accessTo(
      credentials,
      { side, repository: task[side], namespace: task.image.namespace, choice: task.credentials[side] },
      task.tlsVerify[side]
    )
  return Effect.map(Effect.all([to("source"), to("destination")]), ([source, destination]) => ({
    source: source.access,
    destination: destination.access,
    unbound: [source, destination].flatMap(({ unbound }) => unbound ?? [])
  }))
}
