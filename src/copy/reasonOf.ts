/** What a condition says of a registry's failure. */
import type { RegistrySide } from "../domain/Credential.ts"
import type { Reason } from "../domain/Reason.ts"
import type { RegistryError } from "../registry/RegistryError.ts"

/** The tag of the failure's own reason, word for word; for what is not there, by the side that lacks it. */
export const reasonOf = ({ reason, side }: RegistryError, ofSide: RegistrySide | undefined = side): Reason => {
  if (reason._tag !== "NotFound" || ofSide === undefined) return reason._tag
  return ofSide === "source" ? "SourceNotFound" : "DestinationNotFound"
}
