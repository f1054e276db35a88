/** The flags of `sync --watch`. */
import { Effect, Option, Result } from "effect"
import { Flag } from "effect/cli"
import { excerpt } from "../../text/line.ts"
import { CommandFailure } from "../CommandFailure.ts"
import { BAD_USAGE } from "../exitCodes.ts"

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
  Flag.String(name).pipe(Flag.withMetavar("HOST:PORT"), Flag.withDescription(description), Flag.optional)

export const watchFlags = {
  watch: Flag.Boolean("watch").pipe(
    Flag.withDescription(
      "Runs until it is stopped, as the operator does in a cluster: follows changes of the files, and checks Images at their frequency"
    ),
    Flag.withDefault(false)
  ),
  stateDir: Flag.String("state-dir").pipe(
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
export interface WatchInput {
  readonly watch: boolean
  readonly stateDir: Option.Option<string>
  readonly metricsAddress: Option.Option<string>
  readonly healthAddress: Option.Option<string>
}

/** The addresses of the servers. */
export interface WatchAddresses {
  readonly metrics: Option.Option<FlagAddress>
  readonly health: Option.Option<FlagAddress>
}

const usage = (detail: string) => new CommandFailure({ exitCode: BAD_USAGE, detail })

const addressOf = (setting: string, text: Option.Option<string>) =>
  Effect.transposeOption(
    Option.map(text, (text) =>
      Effect.mapBoth(Effect.fromResult(parseAddress(text)), {
        onFailure: (problem) => usage(`${setting}: ${problem}`),
        onSuccess: (address): FlagAddress => ({ ...address, setting })
      })
    )
  )

/** Reads the addresses of the servers. */
export const watchAddresses = ({
  healthAddress,
  metricsAddress
}: WatchInput): Effect.Effect<WatchAddresses, CommandFailure> =>
  Effect.all({
    metrics: addressOf("--metrics-address", metricsAddress),
    health: addressOf("--health-address", healthAddress)
  })

/** Refuses flags that have no effect together. */
export const checkWatchFlags = Effect.fnUntraced(function* (
  input: WatchInput & { readonly files: ReadonlyArray<string>; readonly output: string }
) {
  const { files, healthAddress, metricsAddress, output, stateDir, watch } = input
  if (watch) {
    if (files.includes("-"))
      return yield* usage("--file: with --watch standard input cannot be read again; name a file")
    if (output !== "text") return yield* usage("--output: with --watch there is no result to print; leave the flag out")
    return
  }
  const lonely = Object.entries({
    "--state-dir": stateDir,
    "--metrics-address": metricsAddress,
    "--health-address": healthAddress
  }).find(([, value]) => Option.isSome(value))
  if (lonely !== undefined)
    return yield* usage(`${lonely[0]}: works with --watch only; add --watch, or leave the flag out`)
})
