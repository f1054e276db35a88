/**
 * Follows all objects of a kind: lists them, then watches from the version of the list, for ever. kube-rs calls this a
 * watcher, client-go a reflector.
 */
import { Duration, Effect, Option, Random, Ref, Schedule, Stream } from "effect"
import { KubeClient, type KubeError, type ListScope } from "./KubeClient.ts"
import type { KubeObject, Resource } from "./Resource.ts"

/** `Replaced` has all objects. A reader drops any other object that it knows. */
export type StoreEvent<A> =
  | { readonly _tag: "Replaced"; readonly objects: ReadonlyArray<A> }
  | { readonly _tag: "Applied"; readonly object: A }
  | { readonly _tag: "Deleted"; readonly object: A }

/** Called when the API server has answered a list or a watch, with the failure if there was one. */
export type OnRequest = (failure: Option.Option<KubeError>) => void

/**
 * The objects per page. A page of the largest objects that an API server accepts is still read within its time limit.
 */
const PAGE = 50

const BACKOFF = { baseMillis: 800, maximumMillis: 30_000, jitter: 0.2 }

/** The pause between watches, so that a server that ends watches at once causes no busy loop. */
const BETWEEN_WATCHES = "1 second"

/** The pause after a number of failures in a row. `random` in [0, 1) spreads the clients of a restarted server. */
const pauseAfter = (failures: number, random: number): Duration.Duration =>
  Duration.millis(
    Math.min(BACKOFF.maximumMillis, BACKOFF.baseMillis * 2 ** Math.min(failures - 1, 30)) *
      (1 - BACKOFF.jitter + 2 * BACKOFF.jitter * random)
  )

/**
 * Follows all objects of a scope. The stream never fails and never ends. After the server ends a watch, the next watch
 * continues from the last version. After a failed watch the same happens after a growing pause, because a list of all
 * objects is the most expensive request. Only 410 causes a new list.
 */
export const listWatch = <A extends KubeObject>(
  resource: Resource<A>,
  scope: ListScope,
  onRequest?: OnRequest
): Stream.Stream<StoreEvent<A>, never, KubeClient> => listWatchAs(resource, scope, (object) => object, onRequest)

/**
 * As {@link listWatch}, but gives `decode` of each object. Objects are decoded page by page, so that the undecoded
 * objects of a long list are never held together.
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
      /**
       * Failures in a row. A successful list does not reset the number, because the watch after it may get 410 again.
       */
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
        // The version is set only after the last page. A list that fails half-way is no start for a watch.
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
        yield* Effect.logWarning("watch interrupted").pipe(
          Effect.annotateLogs({ resource: resource.plural, error: error.message })
        )
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
