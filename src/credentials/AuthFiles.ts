/** Credentials from the files of `docker login`, `podman login` and `skopeo login`, and from the helpers they name. */
import { Cache, Duration, Effect, Exit, FileSystem, Option, Result } from "effect"
import { ChildProcessSpawner } from "effect/process"
import type { CredentialReason } from "../domain/Reason.ts"
import type { Credential } from "../registry/RegistryClient.ts"
import * as CredentialHelper from "./CredentialHelper.ts"
import { CredentialError, type CredentialSource } from "./Credentials.ts"
import { credentialIn, type DockerConfig, helperFor, parseDockerConfig } from "./DockerConfig.ts"

/** A file of credentials, by its path. */
export interface AuthFile {
  readonly path: string
  /** The variable that names the file, for messages. A file without a variable may be missing. */
  readonly variable?: string
}

/** How long a file or a helper's answer is cached. A new login or a changed mounted Secret is seen within this time. */
const KEPT = Duration.seconds(30)
const FILE_BYTES = 1024 * 1024

/**
 * A source of the credentials in files. The first file with a credential for a repository gives it. `owner` is the
 * owner of the logins in the files. The source fails if a named file is missing or broken, or if a helper fails.
 *
 * @example
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { NodeServices } from "@effect/platform-node"
 * import { AuthFiles, Credentials } from "skopeo-operator"
 *
 * const logins = AuthFiles.make([{ path: "/etc/skopeo-operator/auth.json" }], "Operator")
 * const live = Credentials.layer(Effect.all([logins])).pipe(Layer.provide(NodeServices.layer))
 * ```
 */
export const make = Effect.fnUntraced(function* (files: ReadonlyArray<AuthFile>, owner: "Operator" | "User") {
  const fs = yield* FileSystem.FileSystem
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const briefly = (exit: Exit.Exit<unknown, unknown>) => (Exit.isSuccess(exit) ? KEPT : Duration.zero)

  const read = Effect.fnUntraced(function* (index: number): Effect.fn.Return<DockerConfig, CredentialError> {
    const file = files[index]
    if (file === undefined) return {}
    const text = yield* fs.stat(file.path).pipe(
      Effect.flatMap(({ size }) => (size > FILE_BYTES ? Effect.succeed("") : fs.readFileString(file.path))),
      Effect.catchIf(
        ({ reason }) => reason._tag === "NotFound" && file.variable === undefined,
        () => Effect.succeed("{}")
      ),
      Effect.mapError(({ reason }) => failure(file, "AuthFileInvalid", `cannot be read (${reason._tag})`))
    )
    return yield* Effect.fromResult(
      Result.mapError(parseDockerConfig(text), (problem) => failure(file, "AuthFileInvalid", problem))
    )
  })
  const configs = yield* Cache.makeWith(read, { capacity: files.length + 1, timeToLive: briefly })

  const answers = yield* Cache.makeWith(
    (key: string) => {
      const space = key.indexOf(" ")
      const [registry, helper] = [key.slice(0, space), key.slice(space + 1)]
      return Effect.provideService(
        CredentialHelper.ask(helper, registry),
        ChildProcessSpawner.ChildProcessSpawner,
        spawner
      )
    },
    { capacity: 1_000, timeToLive: briefly }
  )
  const ask = (file: AuthFile, helper: string, registry: string) =>
    Effect.mapError(Cache.get(answers, `${registry} ${helper}`), ({ detail }) =>
      failure(file, "CredentialHelperFailed", detail)
    )

  const source: CredentialSource = Effect.fnUntraced(function* ({ repository }) {
    for (const [index, file] of files.entries()) {
      const config = yield* Cache.get(configs, index)
      const helper = helperFor(config, repository)
      const store = config.credsStore ?? ""
      let found: Option.Option<Credential> =
        helper === undefined ? Option.none() : yield* ask(file, helper, repository.registry)
      if (Option.isNone(found)) {
        found = yield* Effect.fromResult(
          Result.mapError(credentialIn(config, repository), (problem) => failure(file, "AuthFileInvalid", problem))
        )
      }
      if (Option.isNone(found) && store !== "") found = yield* ask(file, store, repository.registry)
      if (Option.isSome(found)) return Option.some({ credential: found.value, owner })
    }
    return Option.none()
  })
  return source
})

/** The administrator must repair the file, and no Image has to change, so the Image is not Stalled. */
const failure = ({ path, variable }: AuthFile, reason: CredentialReason, detail: string): CredentialError =>
  new CredentialError({ reason, field: variable ?? "credentials", value: path, detail, stalled: false })
