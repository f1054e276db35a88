/** The flags of `sync --watch`. */
import { Option, Result } from "effect"
import { type Command, Flag } from "effect/cli"
import { excerpt } from "../../text/line.ts"
import { textFlag } from "../textFlag.ts"

/** Where a server listens. Without a host it listens on all addresses. */
export interface Address {
  readonly host?: string
  readonly port: number
}

/** The address of a flag. */
interface FlagAddress extends Address {
  /** The flag. */
  readonly setting: string
}

/** Parses `host:port`, `[address]:port` or `:port`. */
export const parseAddress = (text: string): Result.Result<Address, string> => {
  const [, bracketed, plain, digits = ""] = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]/\s]*)):([0-9]{1,5})$/u.exec(text) ?? []
  const port = Number(digits)
  if (digits === "" || port < 1 || port > 65_535) {
    return Result.fail(
      `"${excerpt(text, 80)}" is no address; write HOST:PORT such as 127.0.0.1:8080, or :8080 for all addresses`
    )
  }
  const host = bracketed ?? plain ?? ""
  return Result.succeed({ port, ...(host === "" ? {} : { host }) })
}

const address = (name: string, description: string) =>
  textFlag(name).pipe(
    Flag.withMetavar("HOST:PORT"),
    Flag.withDescription(description),
    Flag.filterMap(
      (text) =>
        Option.map(Result.getSuccess(parseAddress(text)), (address): FlagAddress => ({
          ...address,
          setting: `--${name}`
        })),
      (text) => Result.match(parseAddress(text), { onSuccess: () => "", onFailure: (message) => message })
    ),
    Flag.optional
  )

export const watchFlags = {
  watch: Flag.Boolean("watch").pipe(
    Flag.withDescription(
      "Runs until it is stopped, as the operator does in a cluster: follows changes of the files, and checks Images at their frequency"
    ),
    Flag.withDefault(false)
  ),
  stateDir: textFlag("state-dir").pipe(
    Flag.withMetavar("DIRECTORY"),
    Flag.withDescription(
      "With --watch: where the status of the Images is kept. Default skopeo-operator in $XDG_STATE_HOME or ~/.local/state"
    ),
    Flag.optional
  ),
  metricsAddress: address("metrics-address", "With --watch: serves /metrics for Prometheus"),
  healthAddress: address("health-address", "With --watch: serves the probes /healthz and /readyz")
}

/** The values of {@link watchFlags}. */
export type WatchInput = Command.Command.Config.Infer<typeof watchFlags>

/** The values of all flags of `sync` that depend on --watch. */
interface DependentFlags extends WatchInput {
  readonly files: ReadonlyArray<string>
  readonly output: string
  readonly waitForRateLimit: boolean
}

/** Why flags cannot be used together: they would have no effect. */
export const mistakeInWatch = (given: DependentFlags): string | undefined => {
  const { files, healthAddress, metricsAddress, output, stateDir, waitForRateLimit, watch } = given
  if (watch) {
    if (files.includes("-")) return "--file: with --watch standard input cannot be read again; name a file"
    if (output !== "text") return "--output: with --watch there is no result to print; leave the flag out"
    if (waitForRateLimit) return "--wait-for-rate-limit: --watch always waits for rate limits; leave the flag out"
    return undefined
  }
  const dependent: ReadonlyArray<readonly [flag: string, value: Option.Option<unknown>]> = [
    ["--state-dir", stateDir],
    ["--metrics-address", metricsAddress],
    ["--health-address", healthAddress]
  ]
  const lonely = dependent.find(([, value]) => Option.isSome(value))
  return lonely === undefined ? undefined : `${lonely[0]}: works with --watch only; add --watch, or leave the flag out`
}
