/**
 * Follows all objects of a kind: lists them, then watches from there, for ever. What kube-rs calls a watcher and
 * client-go a reflector. ListWatchState decides what is asked; here requests are made, one after the other, and time passes.
 */
import { Array, Clock, Effect, Random, Schedule, Stream } from "effect"
import { KubeClient, type KubeError, type ListScope } from "./KubeClient.ts"
import { type Input, initialState, type Output, type Request, silenceOf, step } from "./ListWatchState.ts"
import { keyOf, type KubeObject, type Resource } from "./Resource.ts"

/** `Replaced` brings everything there is: what a reader knows beyond it is gone. */
export type StoreEvent<A> =
  | { readonly _tag: "Replaced"; readonly objects: ReadonlyArray<A> }
  | { readonly _tag: "Applied"; readonly object: A }
  | { readonly _tag: "Deleted"; readonly object: A }

/** A page of the largest objects that an API server takes is still read well within its time. */
const PAGE = 50

/**
 * Never fails and never ends. A watch that its server closes goes on from the last version seen; so does one that fails,
 * after a growing pause. Only a version that the server no longer has makes it list again.
 */
export const listWatch = <A extends KubeObject>(
  resource: Resource<A>,
  scope: ListScope
): Stream.Stream<StoreEvent<A>, never, KubeClient> => listWatchAs(resource, scope, (object) => object)

/**
 * The same, of what is kept of each object: made one by one, so that a list of many thousand objects is never held as it
 * came.
 */
export const listWatchAs = <A extends KubeObject, B>(
  resource: Resource<A>,
  scope: ListScope,
  keep: (object: A) => B
): Stream.Stream<StoreEvent<B>, never, KubeClient> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const client = yield* KubeClient
      const collector = new Collector<B>()
      let state = initialState
      let request: Request | undefined

      /** Takes inputs in until one of them closes the request that they came by. */
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

      const keptOf = (object: A): Kept<B> => ({ key: keyOf(object.metadata), value: keep(object) })

      const perform = (request: Request | undefined): Stream.Stream<Input<Kept<B>>> => {
        switch (request?._tag) {
          case undefined:
            return Stream.succeed(RESUMED)
          case "Pause":
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
                Effect.map(({ items, ...page }) => ({ _tag: "Page", objects: items.map(keptOf), ...page }) as const),
                Effect.catch((error) => Effect.succeed(failedWith(error)))
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
                Stream.map((event): Input<Kept<B>> => {
                  if (event.type === "BOOKMARK" || event.type === "ERROR") return { _tag: "Event", event }
                  return { _tag: "Event", event: { ...event, object: keptOf(event.object) } }
                }),
                Stream.concat(Stream.succeed(ENDED)),
                withSilence(() => silenceOf(state)),
                Stream.catch((error) => Stream.succeed(failedWith(error)))
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

const failedWith = (error: KubeError) => ({ _tag: "Failed", error }) as const

/** Says so where nothing comes for a time, which is asked for anew each time that something is waited for. */
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

/** An object on its way: its name tells whether a list has it already. */
interface Kept<B> {
  readonly key: string
  readonly value: B
}

/** Holds a list back until all of it has come. */
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
