/**
 * Follows all objects of a kind: lists them, then watches from there, for ever. What kube-rs calls a watcher and
 * client-go a reflector.
 */
import { Duration, Effect, Option, Ref, Schedule, Stream } from "effect"
import { KubeClient, type KubeError, type ListScope } from "./KubeClient.ts"
import type { KubeObject, Resource } from "./Resource.ts"

/** `Replaced` brings everything there is: what a reader knows beyond it is gone. */
export type StoreEvent<A> =
  | { readonly _tag: "Replaced"; readonly objects: ReadonlyArray<A> }
  | { readonly _tag: "Applied"; readonly object: A }
  | { readonly _tag: "Deleted"; readonly object: A }

const PAGE = 500

const retrySchedule = Schedule.min([Schedule.exponential("800 millis"), Schedule.spaced("30 seconds")]).pipe(
  Schedule.jittered
)

/**
 * Never fails and never ends. A watch that its server closes goes on from the last version seen; so does one that fails,
 * after a growing pause, for a list of everything is the dearest request there is. Only 410 makes it list again.
 */
export const listWatch = <A extends KubeObject>(
  resource: Resource<A>,
  scope: ListScope
): Stream.Stream<StoreEvent<A>, never, KubeClient> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const client = yield* KubeClient
      const version = yield* Ref.make(Option.none<string>())

      const everything = Effect.gen(function* () {
        const objects: Array<A> = []
        let next: string | undefined
        do {
          const page = yield* client.list(resource, {
            ...scope,
            limit: PAGE,
            ...(next === undefined ? {} : { continue: next })
          })
          objects.push(...page.items)
          next = page.continue
          yield* Ref.set(version, Option.some(page.resourceVersion))
        } while (next !== undefined)
        return { _tag: "Replaced", objects } as const
      })

      const changes = (resourceVersion: string): Stream.Stream<StoreEvent<A>, KubeError> =>
        client.watch(resource, { ...scope, resourceVersion }).pipe(
          Stream.tap((event) => Ref.set(version, Option.some(event.resourceVersion))),
          Stream.flatMap((event): Stream.Stream<StoreEvent<A>> => {
            if (event.type === "BOOKMARK") return Stream.empty
            return Stream.succeed({ _tag: event.type === "DELETED" ? "Deleted" : "Applied", object: event.object })
          })
        )

      const round = Stream.unwrap(
        Effect.map(
          Ref.get(version),
          Option.match({
            onSome: changes,
            onNone: (): Stream.Stream<StoreEvent<A>, KubeError> =>
              Stream.concat(
                Stream.fromEffect(everything),
                Stream.unwrap(Effect.map(Ref.get(version), (at) => changes(Option.getOrElse(at, () => ""))))
              )
          })
        )
      )

      // A server that closes watches at once must not be asked in a tight loop.
      const paced = Stream.concat(round, Stream.fromEffectDrain(Effect.sleep(Duration.seconds(1))))

      return paced.pipe(
        Stream.tapError((error) =>
          Effect.andThen(
            error.code === 410 ? Ref.set(version, Option.none()) : Effect.void,
            Effect.logWarning(`watching ${resource.plural} is interrupted: ${error.message}`)
          )
        ),
        Stream.repeat(Schedule.forever),
        Stream.retry(retrySchedule),
        Stream.orDie
      )
    })
  )
