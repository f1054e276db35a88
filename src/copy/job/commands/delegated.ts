/** The access of a Job. */
import { Effect } from "effect"
import type { Access } from "../../../credentials/access.ts"
import type { RegistryClient } from "../../../registry/RegistryClient.ts"
import { onSide, type RegistryError } from "../../../registry/RegistryError.ts"

/**
 * The part of an access that a Job may get. Skopeo uses plain HTTP by itself if `tlsVerify` is false, and sends its
 * credential to the token server that a registry names. So a Job gets a credential only if this process would send it too.
 */
export const delegated = (
  registry: Pick<RegistryClient["Service"], "delegate">,
  { destination, source, warnings }: Access
): Effect.Effect<Access, RegistryError> =>
  Effect.map(
    Effect.all([onSide("source")(registry.delegate(source)), onSide("destination")(registry.delegate(destination))]),
    ([source, destination]) => ({ source, destination, warnings })
  )
