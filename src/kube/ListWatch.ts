/**
 * Follows all objects of a kind: lists them, then watches from the version of the list, for ever. kube-rs calls this a
 * watcher, client-go a reflector. ListWatchState decides the requests. This file sends the requests, one after the other.
 */
import { Array, Clock, Effect, Option, Random, Schedule, Stream } from "effect"
import { RequestObserver } from "./exchange.ts"
import { KubeClient, type KubeError, type ListScope } from "./KubeClient.ts"
import { type Input, initialState, type Output, type Request, silenceOf, step } from "./ListWatchState.ts"
import { keyOf, type KubeObject, type Resource } from "./Resource.ts"

/** An event for a store. `Replaced` has all objects, and the store drops any other object. */
export type StoreEvent<A> =
  | { readonly _tag: "Replaced"; readonly objects: ReadonlyArray<A> }
  | { readonly _tag: "Applied"; readonly object: A }
  | { readonly _tag: "Deleted"; readonly object: A }

/** Called when the API server has answered a list or a watch, with the failure if there was one. */
export type OnRequest = (failure: Option.Option<KubeError>) => void

/** The objects per page. The time limit of a request suffices for a page of the largest objects that an API server accepts. */
const PAGE = 50

/**
 * Follows all objects of a scope. The stream never fails and never ends. After the server ends a watch, the next watch
 * continues from the last version. After a failed watch the same happens after a growing pause. Only a version that the
 * server no longer has causes a new list.
 */
export const listWatch = <A extends KubeObject>(
  resource: Resource<A>,
  scope: ListScope,
  onRequest?: OnRequest
): Stream.Stream<StoreEvent<A>, never, KubeClient> => listWatchAs(resource, scope, (object) => object, onRequest)

/**
 * As {@link listWatch}, but gives the result of `keep` for each object. Each object is reduced to this result as it arrives, so
 * that the whole objects of a long list are never in memory together.
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
      const observer = yield* RequestObserver
      const collector = new Collector<B>()
      let state = initialState
      let request: Request | undefined

      /** Takes the inputs of a request until one of them closes the request. */
      const takeIn = (inputs: Array.NonEmptyReadonlyArray<Input<Kept<B>>>) =>
        Effect.map(Effect.all([Clock.currentTimeMillis, Random.next]), ([now, random]) => {
          const events: Array<StoreEvent<B>> = []
          for (const input of inputs) {
            const next = step(state, input, { now, random })
            state = next.state
            for (const output of next.output) events.push(...collector.eventsOf(output))
            if (next.request !== undefined) {
              request = next.request
              return Array.of({ events, isClosed: true })
            }
          }
          return Array.of({ events, isClosed: false })
        })

      const answered = Effect.sync(() => onRequest(Option.none()))
      const failedWith = (error: KubeError) =>
        Effect.sync(() => {
          onRequest(Option.some(error))
          return { _tag: "Failed", error } as const
        })

      const keptOf = (object: A): Kept<B> => ({ key: keyOf(object.metadata), value: keep(object) })

      const perform = (request: Request | undefined): Stream.Stream<Input<Kept<B>>> => {
        switch (request?._tag) {
          case undefined:
            return Stream.succeed(RESUMED)
          case "Pause":
            observer.watchFailed(resource.plural)
            return Stream.fromEffect(
              Effect.logWarning("watch interrupted").pipe(
                Effect.annotateLogs({
                  resource: resource.plural,
                  attempt: request.attempt,
                  error: request.error
                }),
                Effect.andThen(Effect.sleep(request.millis)),
                Effect.as(RESUMED)
              )
            )
          case "List": {
            const { continue: next } = request
            return Stream.fromEffect(
              client.list(resource, { ...scope, limit: PAGE, ...(next === undefined ? {} : { continue: next }) }).pipe(
                Effect.tap(answered),
                Effect.map(({ items, ...page }) => ({ _tag: "Page", objects: items.map(keptOf), ...page }) as const),
                Effect.catch(failedWith)
              )
            )
          }
          case "Watch": {
            const { resourceVersion, timeoutSeconds } = request
            return client
              .watch(resource, {
                ...scope,
                timeoutSeconds,
                ...(resourceVersion === undefined ? {} : { resourceVersion })
              })
              .pipe(
                Stream.tap(() => answered),
                Stream.map((event): Input<Kept<B>> => {
                  if (event.type === "BOOKMARK" || event.type === "ERROR") return { _tag: "Event", event }
                  return { _tag: "Event", event: { ...event, object: keptOf(event.object) } }
                }),
                Stream.concat(Stream.succeed(ENDED)),
                withSilence(() => silenceOf(state)),
                Stream.catch((error) => Stream.fromEffect(failedWith(error)))
              )
          }
        }
      }

      return Stream.suspend(() => perform(request)).pipe(
        Stream.mapArrayEffect(takeIn),
        Stream.takeUntil(({ isClosed }) => isClosed),
        Stream.map(({ events }) => events),
        Stream.flattenIterable,
        Stream.repeat(Schedule.forever)
      )
    })
  )

const RESUMED = { _tag: "Resumed" } as const
const ENDED = { _tag: "Ended" } as const
const SILENT = { _tag: "Silent" } as const

/** Adds `Silent` if no input comes for a time. `silence` gives the time before each input. */
const withSilence =
  (silence: () => number | undefined) =>
  <A, E>(inputs: Stream.Stream<Input<A>, E>): Stream.Stream<Input<A>, E> =>
    Stream.transformPull(inputs, (pull) =>
      Effect.succeed(
        Effect.suspend(() => {
          const duration = silence()
          if (duration === undefined) return pull
          return Effect.timeoutOrElse(pull, { duration, orElse: () => Effect.succeed(Array.of<Input<A>>(SILENT)) })
        })
      )
    )

/** A value with the key of its object. A list as a stream may bring an object more than once. */
interface Kept<B> {
  readonly key: string
  readonly value: B
}

/** Collects a list until all of it has arrived. */
class Collector<B> {
  #list = new Map<string, B>()

  eventsOf(output: Output<Kept<B>>): ReadonlyArray<StoreEvent<B>> {
    switch (output._tag) {
      case "Init":
        this.#list = new Map()
        return []
      case "InitApply":
        this.#list.set(output.object.key, output.object.value)
        return []
      case "InitDelete":
        this.#list.delete(output.object.key)
        return []
      case "InitDone": {
        const objects = Array.fromIterable(this.#list.values())
        this.#list = new Map()
        return [{ _tag: "Replaced", objects }]
      }
      case "Apply":
        return [{ _tag: "Applied", object: output.object.value }]
      case "Delete":
        return [{ _tag: "Deleted", object: output.object.value }]
    }
  }
}
