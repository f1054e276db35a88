/** The flags of commands that work with Images without a cluster. */
import { Flag } from "effect/cli"
import { textFlag } from "./textFlag.ts"

export const localFlags = {
  policy: textFlag("policy").pipe(
    Flag.withMetavar("FILE"),
    Flag.withDescription("A YAML file with the policy that the Images must follow. Default POLICY_FILE"),
    Flag.optional
  ),
  tlsVerify: Flag.Boolean("tls-verify").pipe(
    Flag.withDescription(
      "false accepts any certificate and plain HTTP, for Images that do not say. Registries on this machine need no flag"
    ),
    Flag.optional
  )
}
