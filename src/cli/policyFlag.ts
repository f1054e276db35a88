/** The flag for the policy of commands without a cluster. */
import { Flag } from "effect/cli"

export const policyFlag = Flag.String("policy").pipe(
  Flag.withMetavar("FILE"),
  Flag.withDescription("A YAML file with the policy that the Images must follow. Default POLICY_FILE"),
  Flag.optional
)
