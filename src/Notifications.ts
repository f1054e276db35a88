/** The variables of notifications, and the layer that posts the Events of Images. */
import { Config, Effect, Layer, Option, Redacted } from "effect"
import { readFile } from "node:fs/promises"
import { registryConfig } from "./Config.ts"
import type { ImageEvents } from "./controller/events/ImageEvents.ts"
import { innermostCause } from "./text/Cause.ts"
import { excerpt } from "./text/line.ts"
import { addressOf, mistake, secret } from "./Variable.ts"
import { version } from "./version.ts"

/** The least bytes of a secret, by the specification of Standard Webhooks. */
const LEAST_SECRET_BYTES = 24

/** The text of a Secret's file, without the line break that editors add. */
const textIn = (path: string) =>
  Effect.tryPromise({
    try: async () => Redacted.make((await readFile(path, "utf8")).trim()),
    catch: (cause) =>
      mistake(
        `NOTIFY_SECRET_FILE: "${path}" cannot be read (${innermostCause(cause)}); name a readable file with the secret`
      )
  })

/** The key of signatures. A text with the prefix of Standard Webhooks is base64, and any other text is the key itself. */
const keyOf = (variable: string, text: string) => {
  const encoded = /^whsec_(?<base64>[A-Za-z0-9+/]*={0,2})$/u.exec(text)?.groups?.["base64"]
  if (encoded === undefined && text.startsWith("whsec_")) {
    return Effect.fail(mistake(`${variable}: the text after "whsec_" is not base64; write whsec_ and a key in base64`))
  }
  const key = encoded === undefined ? Buffer.from(text) : Buffer.from(encoded, "base64")
  return key.length < LEAST_SECRET_BYTES
    ? Effect.fail(
        mistake(
          `${variable}: the secret has ${key.length} bytes, and needs ${LEAST_SECRET_BYTES}; make one with: openssl rand -base64 32`
        )
      )
    : Effect.succeed(Redacted.make<Uint8Array>(key))
}

/** A URI reference, as the `source` of a CloudEvent must be. */
const isUriReference = (text: string): boolean => !/\s/u.test(text) && URL.canParse(text, "https://operator.invalid")

const variables = Config.all({
  url: secret("NOTIFY_URL"),
  secret: secret("NOTIFY_SECRET"),
  secretFile: Config.option(Config.NonEmptyString("NOTIFY_SECRET_FILE")),
  source: Config.option(Config.NonEmptyString("NOTIFY_SOURCE")),
  instance: Config.NonEmptyString("INSTANCE_NAME").pipe(Config.withDefault("skopeo-operator"))
})

/** Where notifications are posted. None without `NOTIFY_URL`. */
export const notificationsConfig = variables.pipe(
  Config.mapEffect(({ instance, secret: secretText, secretFile, source: named, url: text }) =>
    Effect.gen(function* () {
      if (Option.isNone(text)) return Option.none()
      const url = yield* addressOf("NOTIFY_URL", text.value)
      if (Option.isSome(secretText) && Option.isSome(secretFile)) {
        return yield* Effect.fail(mistake("NOTIFY_SECRET and NOTIFY_SECRET_FILE are both set; leave one out"))
      }
      const source = Option.getOrElse(named, () => `/skopeo-operator/${encodeURIComponent(instance)}`)
      if (!isUriReference(source)) {
        return yield* Effect.fail(
          mistake(
            `NOTIFY_SOURCE: "${excerpt(source, 80)}" is not a URI reference; write a path such as /clusters/prod, or a URL`
          )
        )
      }
      const given = Option.isSome(secretFile) ? Option.some(yield* textIn(secretFile.value)) : secretText
      const variable = Option.isSome(secretFile) ? "NOTIFY_SECRET_FILE" : "NOTIFY_SECRET"
      const key = Option.isSome(given)
        ? Option.some(yield* keyOf(variable, Redacted.value(given.value)))
        : Option.none<Redacted.Redacted<Uint8Array>>()
      return Option.some({ url, secret: key, source })
    })
  )
)

/** The layer of Events, which also posts the Events to `NOTIFY_URL` if the variable is set. The sender is loaded only then. */
export const notifying = <E, R>(events: Layer.Layer<ImageEvents, E, R>) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const options = yield* notificationsConfig
      if (Option.isNone(options)) return events
      const { certificates, proxies } = yield* registryConfig
      const { layer } = yield* Effect.promise(() => import("./controller/events/WebhookImageEvents.ts"))
      const http = { certificates, proxies, userAgent: `skopeo-operator/${version}` }
      return layer({ ...options.value, ...http }).pipe(Layer.provide(events))
    })
  )
