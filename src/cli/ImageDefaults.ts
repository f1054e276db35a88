/** The defaults of the configuration for the Images of files. */
import { Context } from "effect"
import type { MirrorDefaults } from "../domain/Mirror.ts"

export const ImageDefaults = Context.Reference<MirrorDefaults>("skopeo-operator/cli/ImageDefaults", {
  defaultValue: () => ({})
})
