/** Docker's credential helpers: programs named `docker-credential-NAME` that give a registry's credential. */
import { Effect, Option, Redacted, Schema, Stream } from "effect"
import { ChildProcess, type ChildProcessSpawner } from "effect/process"
import { boundedLine } from "../text/line.ts"
import { DEFAULT_REGISTRY } from "../oci/Reference.ts"
import type { Credential } from "../registry/RegistryClient.ts"
import { tokenAware } from "./DockerConfig.ts"

/** A helper that failed. The detail is for users, holds no secret, and is read after the file that names the helper. */
export class HelperError extends Schema.TaggedError<HelperError>()("HelperError", { detail: Schema.String }) {
  override get message(): string {
    return this.detail
  }
}

const Answer = Schema.fromJsonString(
  Schema.Struct({ Username: Schema.optionalKey(Schema.String), Secret: Schema.optionalKey(Schema.String) })
)
const decode = Schema.decodeUnknownOption(Answer)

/** Some helpers request a token over the network, or ask a person for a fingerprint. */
const TIMEOUT = "30 seconds"
const OUTPUT_BYTES = 64 * 1024
/** A plain name, not a path to another program. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/u
/** The names of Docker Hub in helpers, the most common first. */
const HUB_SERVERS = ["https://index.docker.io/v1/", DEFAULT_REGISTRY]

/** The credential of a helper for a registry. `None` if the helper reports that it has none. */
export const ask = Effect.fnUntraced(function* (
  helper: string,
  registry: string
): Effect.fn.Return<Option.Option<Credential>, HelperError, ChildProcessSpawner.ChildProcessSpawner> {
  for (const server of registry === DEFAULT_REGISTRY ? HUB_SERVERS : [registry]) {
    const found = yield* get(helper, server)
    if (Option.isSome(found)) return found
  }
  return Option.none()
})

const get = Effect.fnUntraced(function* (helper: string, server: string) {
  if (!NAME.test(helper)) {
    return yield* new HelperError({
      detail: `names the credential helper ${JSON.stringify(helper)}; write only the NAME of docker-credential-NAME`
    })
  }
  const program = `docker-credential-${helper}`
  const { code, output } = yield* run(program, server).pipe(
    Effect.timeoutOrElse({
      duration: TIMEOUT,
      orElse: () =>
        Effect.fail(
          new HelperError({ detail: `names ${program}, which did not answer for ${server} within ${TIMEOUT}` })
        )
    })
  )
  if (code !== 0) {
    if (/credentials not found/iu.test(output)) return Option.none<Credential>()
    // Helpers write their errors to standard output. Text that looks like an answer may hold a secret and is left out.
    const said = output.includes("{") ? "" : `: ${boundedLine(output.trim(), 200)}`
    return yield* new HelperError({
      detail: `names ${program}, which failed for ${server} with exit code ${code}${said}`
    })
  }
  const answer = decode(output)
  if (Option.isNone(answer)) {
    return yield* new HelperError({
      detail: `names ${program}, whose answer for ${server} is not the JSON of a credential`
    })
  }
  const { Secret = "", Username = "" } = answer.value
  return Username === "" && Secret === "" ? Option.none() : Option.some(tokenAware(Username, Redacted.make(Secret)))
})

/** Runs a helper without a shell. Its only argument is the action. */
const run = (program: string, server: string) =>
  Effect.gen(function* () {
    const handle = yield* ChildProcess.make(program, ["get"], {
      stdin: Stream.make(new TextEncoder().encode(server)),
      stderr: "ignore",
      forceKillAfter: "2 seconds"
    })
    let size = 0
    const chunks: Array<Uint8Array> = []
    yield* handle.stdout.pipe(
      Stream.takeWhile(() => size <= OUTPUT_BYTES),
      Stream.runForEach((chunk) =>
        Effect.sync(() => {
          size += chunk.length
          chunks.push(chunk)
        })
      )
    )
    if (size > OUTPUT_BYTES) {
      return yield* new HelperError({ detail: `names ${program}, which answers with more than ${OUTPUT_BYTES} bytes` })
    }
    const code = yield* handle.exitCode
    return { code, output: Buffer.concat(chunks).toString("utf8") }
  }).pipe(
    Effect.scoped,
    Effect.catchTag("PlatformError", (error) =>
      Effect.fail(
        new HelperError({
          detail:
            error.reason._tag === "NotFound"
              ? `names ${program}, which is not on PATH; install the program, or remove its name`
              : `names ${program}, which cannot be run (${error.reason._tag})`
        })
      )
    )
  )
