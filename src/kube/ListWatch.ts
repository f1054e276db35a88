/**
 * Follows all objects of a kind: lists them, then watches from there, for ever. What kube-rs calls a watcher and
 * client-go a reflector.
 */
import { Duration, Effect, Option, Random, Ref, Schedule, Stream } from "effect"
import { KubeClient, type KubeError, type ListScope } from "./KubeClient.ts"
import type { KubeObject, Resource } from "./Resource.ts"

/** `Replaced` brings everything there is: what a reader knows beyond it is gone. */
export type StoreEvent<A> =
  | { readonly _tag: "Replaced"; readonly objects: ReadonlyArray<A> }
  | { readonly _tag: "Applied"; readonly object: A }
  | { readonly _tag: "Deleted"; readonly object: A }

/** Called when the API server has answered a list or a watch, with why it failed if it did. */
export type OnRequest = (failure: Option.Option<KubeError>) => void

/** A page of the largest objects that an API server takes is still read well within its time. */
const PAGE = 50

const BACKOFF = { baseMillis: 800, maximumMillis: 30_000, jitter: 0.2 }

/** A server that ends watches at once is not asked in a tight loop. */
const BETWEEN_WATCHES = "1 second"

/** The pause after so many failures in a row; `random` in [0, 1) spreads the clients of a server that comes back. */
const pauseAfter = (failures: number, random: number): Duration.Duration =>
  Duration.millis(
    Math.min(BACKOFF.maximumMillis, BACKOFF.baseMillis * 2 ** Math.min(failures - 1, 30)) *
      (1 - BACKOFF.jitter + 2 * BACKOFF.jitter * random)
  )

/**
 * Never fails and never ends. A watch that its server closes goes on from the last version seen; so does one that fails,
 * after a growing pause, for a list of everything is the dearest request there is. Only 410 makes it list again.
 */
export const listWatch = <A extends KubeObject>(
  resource: Resource<A>,
  scope: ListScope,
  onRequest?: OnRequest
): Stream.Stream<StoreEvent<A>, never, KubeClient> => listWatchAs(resource, scope, (object) => object, onRequest)

/**
 * The same, of what is kept of each object: made page by page, so that a list of many thousand objects is never held as it
 * came.
 */
export const listWatchAs = <A extends KubeObject, B>(
  resource: Resource<A>,
  scope: ListScope,
  keep: (object: A) => B,
  onRequest: OnRequest = () => undefined
): Stream.Stream<StoreEvent<B>, never, KubeClient> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const client = yield* KubeClient
      const version = yield* Ref.make(Option.none<string>())
      /** Failures in a row. A list alone ends no row: it may be followed by the 410 that it was made for. */
      const failures = yield* Ref.make(0)

      const everything = Effect.gen(function* () {
        const objects: Array<B> = []
        let next: string | undefined
        let listed = ""
        do {
          const page = yield* client.list(resource, {
            ...scope,
            limit: PAGE,
            ...(next === undefined ? {} : { continue: next })
          })
          objects.push(...page.items.map(keep))
          next = page.continue
          listed = page.resourceVersion
        } while (next !== undefined)
        // Not before the last page: a list that fails half-way is no list to watch from.
        yield* Ref.set(version, Option.some(listed))
        onRequest(Option.none())
        return { _tag: "Replaced", objects } as const
      })

      const changes = (resourceVersion: string): Stream.Stream<StoreEvent<B>, KubeError> =>
        client.watch(resource, { ...scope, resourceVersion }).pipe(
          Stream.tap((event) =>
            Effect.andThen(Ref.set(version, Option.some(event.resourceVersion)), Ref.set(failures, 0))
          ),
          Stream.tap(() => Effect.sync(() => onRequest(Option.none()))),
          Stream.flatMap((event): Stream.Stream<StoreEvent<B>> => {
            if (event.type === "BOOKMARK") return Stream.empty
            return Stream.succeed({
              _tag: event.type === "DELETED" ? "Deleted" : "Applied",
              object: keep(event.object)
            })
          })
        )

      const round = Stream.unwrap(
        Effect.map(
          Ref.get(version),
          Option.match({
            onSome: changes,
            onNone: (): Stream.Stream<StoreEvent<B>, KubeError> =>
              Stream.concat(
                Stream.fromEffect(everything),
                Stream.unwrap(Effect.map(Ref.get(version), (at) => changes(Option.getOrElse(at, () => ""))))
              )
          })
        )
      )

      const ended = Effect.andThen(Ref.set(failures, 0), Effect.sleep(BETWEEN_WATCHES))
      const interrupted = Effect.fnUntraced(function* (error: KubeError) {
        onRequest(Option.some(error))
        if (error.code === 410) yield* Ref.set(version, Option.none())
        const pause = pauseAfter(yield* Ref.updateAndGet(failures, (count) => count + 1), yield* Random.next)
        yield* Effect.logWarning(`watching ${resource.plural} is interrupted: ${error.message}`)
        yield* Effect.sleep(pause)
      })

      return Stream.concat(round, Stream.fromEffectDrain(ended)).pipe(
        Stream.tapError(interrupted),
        Stream.repeat(Schedule.forever),
        Stream.retry(Schedule.forever),
        Stream.orDie
      )
    })
  )
