/** Registries as the operator's process sees them, with their weather. */
import { Effect, Layer, References } from "effect"
import type { RegistryLimits } from "../../src/registry/limits/RegistryLimits.ts"
import { RegistryClient, type RepositoryAccess } from "../../src/registry/RegistryClient.ts"
import { onSide, RegistryError, type RegistryErrorReason } from "../../src/registry/RegistryError.ts"
import * as RegistryClientMemory from "../../src/registry/memory/RegistryClientMemory.ts"
import { imageOfJob } from "./JobBody.ts"
import type { OperatorProcess } from "./OperatorProcess.ts"
import type { Oracles } from "./oracles/Oracles.ts"
import { tagName, type Writer } from "./Registries.ts"
import { SILENCE } from "./silence.ts"
import type { World } from "./World.ts"

type Service = RegistryClient["Service"]

/** The longest time from the last check of a Job's copied platforms to the write of their tag. */
const NAMING = 200_000

/** A client of the world's registries, for one process of the operator. */
export const layer = (
  world: World,
  oracles: Oracles,
  process: OperatorProcess
): Layer.Layer<RegistryClient | RegistryLimits> => {
  const chance = world.chance(`rate limits of ${process.identity}`)
  const memory = RegistryClientMemory.layer(world.registries, {
    onRequest: () => {
      world.counters.requests += 1
    },
    limiter: ({ registry }) => {
      const isLimited = world.registry(registry).weather === "limiting" && chance.happens(0.4)
      const headers = { "retry-after": String(chance.between(1, 90)) }
      return isLimited ? { status: 429, headers } : { status: 200, headers: {} }
    }
  })
  return Layer.effect(RegistryClient, Effect.map(RegistryClient, decorate(world, oracles, process))).pipe(
    Layer.provideMerge(memory)
  )
}

const decorate =
  (world: World, oracles: Oracles, process: OperatorProcess) =>
  (inner: Service): Service => {
    const chance = world.chance(`registries of ${process.identity}`)

    const reasonOf = (): RegistryErrorReason =>
      chance.oneOf<RegistryErrorReason>(
        { _tag: "Unreachable" },
        { _tag: "ServerError", status: 503 },
        { _tag: "ServerError", status: 503, until: world.now + chance.between(1, 60) * 1_000 },
        { _tag: "AuthenticationFailed" },
        { _tag: "InvalidAnswer" }
      )

    const failing = (access: RepositoryAccess, reason: RegistryErrorReason) =>
      Effect.fail(RegistryError.of(reason, access.repository, "injected by the simulation"))

    /** The delay or the failure of a request, by the registry's weather. */
    const way = (access: RepositoryAccess, isBlob: boolean): Effect.Effect<void, RegistryError> =>
      Effect.suspend(() => {
        const { weather } = world.registry(access.repository.registry)
        switch (weather) {
          case "fine":
          case "limiting":
            return Effect.sleep(chance.between(1, 15))
          case "slow":
            return Effect.sleep(chance.happens(0.1) ? chance.between(5_000, 40_000) : chance.between(200, 3_000))
          case "trickling":
            return Effect.sleep(isBlob ? chance.between(20_000, 120_000) : chance.between(20, 400))
          case "silent":
            return Effect.delay(failing(access, { _tag: "Unreachable" }), SILENCE)
          case "erring":
            return Effect.delay(chance.happens(0.4) ? failing(access, reasonOf()) : Effect.void, chance.between(1, 400))
        }
      })

    const via = <A>(access: RepositoryAccess, made: Effect.Effect<A, RegistryError>, isBlob = false) =>
      Effect.andThen(way(access, isBlob), made)

    /** The Image for which a manifest is written. */
    const imageOf = (annotations: Readonly<Record<string, unknown>>): string => {
      const { image, job } = annotations
      if (typeof image === "string") return image
      return typeof job === "string" ? imageOfJob(world, job) : ""
    }

    /** Reports work to the oracles if a copy in this process does the work. */
    const ofCopy = <A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      Effect.flatMap(References.CurrentLogAnnotations, ({ destination }) =>
        typeof destination === "string"
          ? Effect.acquireUseRelease(
              Effect.sync(() => oracles.copyWorks(destination)),
              () => work,
              (end) => Effect.sync(end)
            )
          : work
      )

    const writeTag = Effect.fnUntraced(function* (
      access: RepositoryAccess,
      tag: string,
      write: ReturnType<Service["putManifest"]>
    ) {
      const { path, registry: name } = access.repository
      const registry = world.registry(name)
      const annotations = yield* References.CurrentLogAnnotations
      const isOfJob = typeof annotations["image"] !== "string"
      const writer: Writer = {
        _tag: "Copy",
        image: imageOf(annotations),
        lookedAt: world.now - (isOfJob ? NAMING : 0)
      }
      return yield* Effect.acquireUseRelease(
        Effect.sync(() => {
          const end = oracles.writerBegins(tagName(name, path, tag), writer.image)
          const forget = registry.announceWriter(path, tag, writer)
          return () => {
            forget()
            end()
          }
        }),
        () => {
          const isLost = registry.weather === "erring" && chance.happens(0.1)
          return Effect.sleep(registry.slowTags.get(`${path}:${tag}`) ?? 0).pipe(
            Effect.andThen(via(access, write)),
            Effect.flatMap((answer) => (isLost ? failing(access, { _tag: "Unreachable" }) : Effect.succeed(answer)))
          )
        },
        (end) => Effect.sync(end)
      )
    })

    return {
      ...inner,
      tags: (access) => via(access, inner.tags(access)),
      head: (access, reference) => via(access, inner.head(access, reference)),
      manifest: (access, reference) => via(access, inner.manifest(access, reference)),
      referrers: (access, digest) => via(access, inner.referrers(access, digest)),
      hasBlob: (access, blob) => via(access, inner.hasBlob(access, blob)),
      mountBlob: (access, blob, from) => via(access, inner.mountBlob(access, blob, from)),
      copyBlob: (options) =>
        ofCopy(
          onSide("source")(way(options.source, true)).pipe(
            Effect.andThen(onSide("destination")(way(options.destination, true))),
            Effect.andThen(inner.copyBlob(options))
          )
        ),
      putManifest: (access, reference, manifest) => {
        const write = inner.putManifest(access, reference, manifest)
        return ofCopy(reference.startsWith("sha256:") ? via(access, write) : writeTag(access, reference, write))
      }
    }
  }
