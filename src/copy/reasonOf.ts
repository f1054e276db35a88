/** The reason of a condition for a registry's failure. */
import type { RegistrySide } from "../domain/Credential.ts"
import type { Reason } from "../domain/Reason.ts"
import type { RegistryError } from "../registry/RegistryError.ts"

/** The failure's own reason, word for word. `NotFound` becomes `SourceNotFound` or `DestinationNotFound` by its side. */
export const reasonOf = ({ reason, side }: RegistryError, ofSide: RegistrySide | undefined = side): Reason => {
  if (reason._tag !== "NotFound" || ofSide === undefined) return reason._tag
  return ofSide === "source" ? "SourceNotFound" : "DestinationNotFound"
}
