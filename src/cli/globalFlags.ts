/** The flags of every command. */
import { Flag, GlobalFlag } from "effect/cli"

const version = GlobalFlag.Action({
  flag: Flag.Boolean("version").pipe(Flag.withDescription("Show version information"), Flag.withDefault(false)),
  run: GlobalFlag.Version.run
})

/**
 * Effect's own flags, except that `--version` has no alias: other tools take `-v` for verbose, and with Effect's alias
 * `sync -v` would copy nothing and end with 0.
 */
export const globalFlags: ReadonlyArray<GlobalFlag.BuiltIn> = GlobalFlag.BuiltIns.map((flag) =>
  flag === GlobalFlag.Version ? version : flag
)
