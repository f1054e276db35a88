/** The registries of the environment: images that are pushed before a measurement, and tags that are awaited. */
import { Clock, Effect, Option, Schedule } from "effect"
import { RegistryClient, type RepositoryAccess } from "../../../src/registry/RegistryClient.ts"
import { seed } from "../../support/seeding.ts"
import { REGISTRIES } from "./environment.ts"

export const accessTo = (registry: string, path: string): RepositoryAccess => ({
  repository: { registry, path },
  tlsVerify: false,
  credential: Option.none()
})

/** The one tag of the source that all Images of the bench copy. */
export const SOURCE_TAG = "v1"

/** Pushes a small image of two platforms to the source. */
export const pushSource = (path: string) => seed(REGISTRIES.source, [[path, SOURCE_TAG, path]])

/** Pushes the same image to both registries, and there under each tag. */
export const pushBoth = Effect.fnUntraced(function* (path: string, tags: ReadonlyArray<string>) {
  const client = yield* RegistryClient
  yield* pushSource(path)
  yield* seed(REGISTRIES.destination, [[path, SOURCE_TAG, path]])
  const destination = accessTo(REGISTRIES.destination, path)
  const manifest = yield* client.manifest(destination, SOURCE_TAG)
  yield* Effect.forEach(tags, (tag) => client.putManifest(destination, tag, manifest), {
    concurrency: 10,
    discard: true
  })
})

/** Waits for a tag at the destination, and gives the time in nanoseconds of the Clock. A registry has no watch. */
export const tagAt = Effect.fnUntraced(function* (path: string, tag: string) {
  const client = yield* RegistryClient
  yield* client
    .head(accessTo(REGISTRIES.destination, path), tag)
    .pipe(Effect.repeat({ until: Option.isSome, schedule: Schedule.spaced("10 millis") }))
  return yield* Clock.currentTimeNanos
})
