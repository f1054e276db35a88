/** The variables of OpenTelemetry for traces, by its specification. Without an endpoint none of the other variables is judged. */
import { Config, Effect, Option, Redacted } from "effect"
import { addressOf, certificatesIn, flag, mistake, secret } from "./Variable.ts"
import { excerpt } from "./text/line.ts"

/** Where and how traces are exported. */
export interface TracingOptions {
  /** The URL to which spans are posted. */
  readonly url: Redacted.Redacted<URL>
  /** The headers of each request, with lower-case names. */
  readonly headers: Redacted.Redacted<Readonly<Record<string, string>>>
  readonly protocol: "http/protobuf" | "http/json"
  /** The time limit of a request, in milliseconds. */
  readonly timeoutMillis: number
  /** The share of the traces that are exported, from 0 to 1. */
  readonly ratio: number
  readonly serviceName: string
  readonly attributes: Readonly<Record<string, string>>
  /** PEM certificates to trust in addition to the system's. */
  readonly certificates: ReadonlyArray<string>
}

const SERVICE_NAME = "skopeo-operator"
const TIMEOUT_MILLIS = 10_000
const LONGEST_TIMEOUT_MILLIS = 600_000

/** A variable for all signals, and its form for traces, which wins. */
const PREFIX = { all: "OTEL_EXPORTER_OTLP_", traces: "OTEL_EXPORTER_OTLP_TRACES_" }

const text = (name: string) => Config.option(Config.NonEmptyString(name))

/** The value of a variable, and the name of the variable that has it. */
interface Named<A> {
  readonly name: string
  readonly value: A
}

/** The variable for traces if it is set, or else the variable for all signals. */
const ofTraces = <A>(suffix: string, read: (name: string) => Config.Config<Option.Option<A>>) => {
  const named = (name: string) =>
    Config.map(
      read(name),
      Option.map((value): Named<A> => ({ name, value }))
    )
  return Config.all([named(PREFIX.traces + suffix), named(PREFIX.all + suffix)]).pipe(
    Config.map(([own, all]) => Option.orElse(own, () => all))
  )
}

/** The pairs of `key=value,key=value`, with percent-encoding. `undefined` for a text of another form. */
const pairsIn = (list: string): Readonly<Record<string, string>> | undefined => {
  try {
    const pairs = list
      .split(",")
      .filter((pair) => pair.trim() !== "")
      .map((pair): readonly [string, string] => {
        const at = pair.indexOf("=")
        return [
          decodeURIComponent(pair.slice(0, Math.max(0, at)).trim()),
          decodeURIComponent(pair.slice(at + 1).trim())
        ]
      })
    return pairs.every(([key]) => key !== "") ? Object.fromEntries(pairs) : undefined
  } catch {
    // decodeURIComponent throws at a % that encodes no character.
    return undefined
  }
}

/** The text of the pairs may hold a secret, so a mistake does not show the text. */
const pairs = (given: Option.Option<Named<string>>) =>
  Option.match(given, {
    onNone: () => Effect.succeed<Readonly<Record<string, string>>>({}),
    onSome: ({ name, value }) => {
      const found = pairsIn(value)
      return found === undefined
        ? Effect.fail(
            mistake(`${name}: the value is not a list of key=value,key=value; write %25 for a %, and %2C for a comma`)
          )
        : Effect.succeed(found)
    }
  })

/** A value that must be one of several words. */
const oneOf = <const Word extends string>(
  given: Option.Option<Named<string>>,
  words: readonly [Word, ...ReadonlyArray<Word>]
) =>
  Option.match(given, {
    onNone: () => Effect.succeed<Word>(words[0]),
    onSome: ({ name, value }) => {
      const word = words.find((known) => known === value.trim())
      return word === undefined
        ? Effect.fail(mistake(`${name}: "${excerpt(value, 40)}" must be one of ${words.join(", ")}`))
        : Effect.succeed(word)
    }
  })

const protocolOf = (given: Option.Option<Named<string>>) =>
  Option.exists(given, ({ value }) => value.trim() === "grpc")
    ? Effect.fail(
        mistake(
          `${Option.getOrThrow(given).name}: traces are not sent by grpc; write http/protobuf, and name the collector's port for HTTP, which is 4318 by default`
        )
      )
    : oneOf(given, ["http/protobuf", "http/json"])

/** A number within bounds, both included. */
const numberOf = (given: Option.Option<Named<string>>, otherwise: number, [least, most]: readonly [number, number]) =>
  Option.match(given, {
    onNone: () => Effect.succeed(otherwise),
    onSome: ({ name, value }) => {
      // Helm writes a small number with an exponent.
      const number = /^[0-9]{0,15}(?:\.?[0-9]{1,15})(?:e-[0-9]{1,2})?$/u.test(value.trim()) ? Number(value) : undefined
      return number !== undefined && number >= least && number <= most
        ? Effect.succeed(number)
        : Effect.fail(mistake(`${name}: "${excerpt(value, 40)}" is not a number from ${least} to ${most}`))
    }
  })

const SAMPLERS = [
  "parentbased_always_on",
  "always_on",
  "always_off",
  "traceidratio",
  "parentbased_always_off",
  "parentbased_traceidratio"
] as const

/** The share of the traces that a sampler keeps. No span has a parent in another process, so `parentbased_` changes nothing. */
const shareOf = (sampler: (typeof SAMPLERS)[number], ratio: number): number => {
  switch (sampler) {
    case "always_on":
    case "parentbased_always_on":
      return 1
    case "always_off":
    case "parentbased_always_off":
      return 0
    case "traceidratio":
    case "parentbased_traceidratio":
      return ratio
  }
}

const named = (name: string) =>
  Config.map(
    text(name),
    Option.map((value): Named<string> => ({ name, value }))
  )

const variables = Config.all({
  isDisabled: flag("OTEL_SDK_DISABLED"),
  exporter: named("OTEL_TRACES_EXPORTER"),
  endpoint: Config.all({ own: secret(`${PREFIX.traces}ENDPOINT`), all: secret(`${PREFIX.all}ENDPOINT`) }),
  headers: ofTraces("HEADERS", secret),
  protocol: ofTraces("PROTOCOL", text),
  timeout: ofTraces("TIMEOUT", text),
  certificate: ofTraces("CERTIFICATE", text),
  sampler: named("OTEL_TRACES_SAMPLER"),
  samplerArgument: named("OTEL_TRACES_SAMPLER_ARG"),
  serviceName: text("OTEL_SERVICE_NAME"),
  attributes: named("OTEL_RESOURCE_ATTRIBUTES")
})

/** The URL of the endpoint for traces, or of the endpoint for all signals, to which the path of traces is added. */
const endpointOf = ({ all, own }: Effect.Success<typeof variables>["endpoint"]) => {
  if (Option.isSome(own)) return Effect.asSome(addressOf(`${PREFIX.traces}ENDPOINT`, own.value))
  if (Option.isNone(all)) return Effect.succeedNone
  return Effect.map(addressOf(`${PREFIX.all}ENDPOINT`, all.value), (base) => {
    const url = new URL(Redacted.value(base))
    url.pathname = `${url.pathname.replace(/\/+$/u, "")}/v1/traces`
    return Option.some(Redacted.make(url))
  })
}

/** The export of traces. None without an endpoint, and with `OTEL_SDK_DISABLED=true` or `OTEL_TRACES_EXPORTER=none`. */
export const tracingConfig: Config.Config<Option.Option<TracingOptions>> = variables.pipe(
  Config.mapEffect((given) =>
    Effect.gen(function* () {
      const isOff = given.isDisabled || Option.exists(given.exporter, ({ value }) => value.trim() === "none")
      const url = isOff ? Option.none() : yield* endpointOf(given.endpoint)
      if (Option.isNone(url)) return Option.none()
      yield* oneOf(given.exporter, ["otlp", "none"])
      const headers = yield* pairs(
        Option.map(given.headers, ({ name, value }) => ({ name, value: Redacted.value(value) }))
      )
      const { "service.name": service, ...attributes } = yield* pairs(given.attributes)
      return Option.some<TracingOptions>({
        url: url.value,
        headers: Redacted.make(
          Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
        ),
        protocol: yield* protocolOf(given.protocol),
        timeoutMillis: yield* numberOf(given.timeout, TIMEOUT_MILLIS, [1, LONGEST_TIMEOUT_MILLIS]),
        ratio: shareOf(yield* oneOf(given.sampler, SAMPLERS), yield* numberOf(given.samplerArgument, 1, [0, 1])),
        serviceName: Option.getOrElse(given.serviceName, () => service ?? SERVICE_NAME),
        attributes,
        certificates: yield* Option.match(given.certificate, {
          onNone: () => Effect.succeed([]),
          onSome: ({ name, value }) => certificatesIn(name, value)
        })
      })
    })
  )
)
