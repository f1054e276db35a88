/**
 * {@link KubeClient} over an API server in memory whose objects are kept in a directory, so that a later process continues with
 * them. The file may be lost: an operator then checks every Image again, and copies nothing that is there already.
 */
import { Context, Effect, FileSystem, Latch, Layer, Option, Path, Schema } from "effect"
import { innermostCause } from "../text/Cause.ts"
import { ApiServerStore, type StoreSnapshot } from "./ApiServerStore.ts"
import { type DirectoryLockError, lockDirectory } from "./directoryLock.ts"
import type { KubeClient } from "./KubeClient.ts"
import * as KubeClientMemory from "./KubeClientMemory.ts"
import { readRegularFile, replaceFile } from "./regularFile.ts"
import type { KubeObject, Resource } from "./Resource.ts"

/** The options of {@link layer}. */
export interface KubeClientFileOptions {
  readonly directory: string
  /** The name of the directory for the user, such as `--state-dir`. */
  readonly setting: string
  /** The objects whose changes are written. */
  readonly resource: Resource<KubeObject>
}

/** The directory of a running process. */
export class StateDirectory extends Context.Service<
  StateDirectory,
  {
    /** Never completes, and fails once another process has taken the directory. */
    readonly lost: Effect.Effect<never, DirectoryLockError>
  }
>()("skopeo-operator/kube/StateDirectory") {
  /** A process that keeps no state. */
  static readonly layerNone: Layer.Layer<StateDirectory> = Layer.succeed(StateDirectory, { lost: Effect.never })
}

/** The name of the file. */
const FILE = "state.json"

/** The most bytes of the file. An Image has about 3 kB. */
const MAX_BYTES = 256 * 1_048_576

/** The pause between two writes, so that many changes at once are one write. */
const PAUSE = "5 seconds"

const Fields = Schema.Record(Schema.String, Schema.Unknown)

const State = Schema.Struct({
  format: Schema.Literal(1),
  version: Schema.Int,
  created: Schema.Int,
  objects: Schema.Record(
    Schema.String,
    Schema.StructWithRest(
      Schema.Struct({
        metadata: Schema.StructWithRest(
          Schema.Struct({
            name: Schema.String,
            namespace: Schema.optionalKey(Schema.String),
            uid: Schema.String
          }),
          [Fields]
        )
      }),
      [Fields]
    )
  ),
  unclaimed: Schema.Record(Schema.String, Fields)
})

const decodeState = Schema.decodeUnknownEffect(Schema.fromJsonString(State))

const make = Effect.fnUntraced(function* ({ directory, resource, setting }: KubeClientFileOptions) {
  const fs = yield* FileSystem.FileSystem
  const file = (yield* Path.Path).join(directory, FILE)
  const lock = yield* lockDirectory(directory, setting)

  /** The state of the last process. A missing state is empty, and so is a broken one. */
  const read: Effect.Effect<Option.Option<StoreSnapshot>> = Effect.gen(function* () {
    if (!(yield* fs.exists(file))) return Option.none()
    return Option.some(yield* decodeState(yield* readRegularFile(file, MAX_BYTES)))
  }).pipe(
    Effect.provideService(FileSystem.FileSystem, fs),
    Effect.catch((error) =>
      Effect.as(
        Effect.annotateLogs(Effect.logWarning("state not read; every Image is checked again"), {
          resource: file,
          error: innermostCause(error)
        }),
        Option.none()
      )
    )
  )

  const snapshot = Option.getOrUndefined(yield* read)
  const store = new ApiServerStore(snapshot === undefined ? {} : { snapshot })
  let written = store.version
  let isFailing = false

  const write = Effect.gen(function* () {
    const { version } = store
    if (version === written) return
    const text = JSON.stringify({ format: 1, ...store.snapshot() } satisfies typeof State.Type)
    if (Buffer.byteLength(text) > MAX_BYTES) {
      return yield* Effect.fail(new Error(`the state has more than ${MAX_BYTES} bytes`))
    }
    yield* replaceFile(file, text, `${file}.new`)
    written = version
    isFailing = false
  }).pipe(
    Effect.catch((error) =>
      // A full disk stays full for a while.
      Effect.annotateLogs(isFailing ? Effect.void : Effect.logWarning("state not written"), {
        resource: file,
        error: innermostCause(error)
      }).pipe(
        Effect.andThen(
          Effect.sync(() => {
            isFailing = true
          })
        )
      )
    ),
    Effect.provideService(FileSystem.FileSystem, fs),
    Effect.uninterruptible
  )

  const hasChanged = Latch.makeUnsafe()
  store.watch(resource, {}, undefined, () => void hasChanged.openUnsafe())
  yield* Effect.addFinalizer(() => write)
  yield* hasChanged.await.pipe(
    Effect.andThen(Effect.sync(() => void hasChanged.closeUnsafe())),
    Effect.andThen(write),
    Effect.andThen(Effect.sleep(PAUSE)),
    Effect.forever,
    Effect.forkScoped
  )
  return Layer.merge(KubeClientMemory.layer({ store }), Layer.succeed(StateDirectory, lock))
})

/** A client whose API server has the objects of the directory's last process. Fails if another process uses the directory. */
export const layer = (
  options: KubeClientFileOptions
): Layer.Layer<KubeClient | StateDirectory, DirectoryLockError, FileSystem.FileSystem | Path.Path> =>
  Layer.unwrap(make(options))
