/**
 * A service with faults. A plan has the faults of calls, by their number, so that the same
 * plan causes the same faults in each run.
 */
import { Clock, type Context, Deferred, type Duration, Effect, Layer, Stream } from "effect"

type Outcome<F> = F extends (...args: infer _) => Effect.Effect<infer A, infer E, infer _R>
  ? { readonly answer: A; readonly error: E }
  : F extends (...args: infer _) => Stream.Stream<infer _A, infer E, infer _R>
    ? { readonly answer: never; readonly error: E }
    : never

type Arguments<F> = F extends (...args: infer A) => unknown ? A : never

type Method<S> = { [K in keyof S]: [Outcome<S[K]>] extends [never] ? never : K }[keyof S] & string

/** A fault of the calls of one method. */
export interface MethodFault<S, K extends Method<S>> {
  readonly method: K
  /** The calls with the fault. Default: all calls of the method. */
  when?(...args: Arguments<S[K]>): boolean
  /** The number of the one call with the fault, from 1. Default: all calls. */
  readonly nth?: number
  /** Runs before the call. If it fails, the call does not reach the service. */
  before?(...args: Arguments<S[K]>): Effect.Effect<unknown, Outcome<S[K]>["error"]>
  /** Replaces the answer of the service. Not for streams. */
  after?(
    answer: Outcome<S[K]>["answer"],
    ...args: Arguments<S[K]>
  ): Effect.Effect<Outcome<S[K]>["answer"], Outcome<S[K]>["error"]>
}

/** A fault of the calls of a service. */
export type Fault<S> = { [K in Method<S>]: MethodFault<S, K> }[Method<S>]

/** A call, with or without a fault. */
export type Call<S> = {
  [K in Method<S>]: {
    readonly method: K
    readonly args: Arguments<S[K]>
    /** The time of the call, in milliseconds of the Clock. */
    readonly at: number
  }
}[Method<S>]

/** The call fails and does not reach the service. */
export const failing = <E>(error: E) => ({ before: () => Effect.fail(error) })
/** The call reaches the service, and the caller gets an error. */
export const answerLost = <E>(error: E) => ({ after: () => Effect.fail(error) })
/** The call is delayed. */
export const delayed = (by: Duration.Input) => ({ before: () => Effect.sleep(by) })
/** The call reaches the service at once, and the answer is delayed. */
export const answerDelayed = (by: Duration.Input) => ({
  after: <A>(answer: A) => Effect.delay(Effect.succeed(answer), by)
})
/** The call is held until the test opens the gate. */
export const heldUntil = (gate: Deferred.Deferred<void>) => ({ before: () => Deferred.await(gate) })

/**
 * A service whose calls are recorded and have the faults of `plan`. A test may add and remove faults at any time.
 *
 * @example
 * const kube = Faults.of(KubeClient)
 * kube.plan.push({ method: "create", when: ({ plural }) => plural === "jobs", nth: 2, ...Faults.answerLost(timeout) })
 * const layer = kube.layer(KubeClientMemory.layer())
 */
export const of = <I, S extends object>(service: Context.Key<I, S>, plan: Array<Fault<S>> = []) => {
  const calls: Array<Call<S>> = []
  const counts = new Map<AnyFault, number>()

  /** The faults of a call. Counts the call. */
  const faultsOf = (method: string, args: ReadonlyArray<unknown>): ReadonlyArray<AnyFault> =>
    (plan as ReadonlyArray<AnyFault>).filter((fault) => {
      if (fault.method !== method || fault.when?.(...args) === false) return false
      const count = (counts.get(fault) ?? 0) + 1
      counts.set(fault, count)
      return fault.nth === undefined || fault.nth === count
    })

  const record = (method: string, args: ReadonlyArray<unknown>) =>
    Effect.map(Clock.currentTimeMillis, (at) => {
      calls.push({ method, args, at } as Call<S>)
      return faultsOf(method, args)
    })

  const befores = (faults: ReadonlyArray<AnyFault>, args: ReadonlyArray<unknown>) =>
    Effect.forEach(faults, ({ before }) => before?.(...args) ?? Effect.void, { discard: true })

  const call = (method: string, args: ReadonlyArray<unknown>, made: unknown): unknown => {
    if (Effect.isEffect(made)) {
      return Effect.flatMap(record(method, args), (faults) =>
        faults.reduce(
          (answer, { after }) => (after === undefined ? answer : Effect.flatMap(answer, (one) => after(one, ...args))),
          Effect.andThen(befores(faults, args), made)
        )
      )
    }
    if (Stream.isStream(made)) {
      return Stream.unwrap(
        Effect.as(
          Effect.flatMap(record(method, args), (faults) => befores(faults, args)),
          made
        )
      )
    }
    return made
  }

  const decorate = (inner: S): S =>
    new Proxy(inner, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name)
        if (typeof member !== "function" || typeof name !== "string") return member
        return (...args: ReadonlyArray<unknown>) => call(name, args, Reflect.apply(member, target, args))
      }
    })

  return {
    /** The faults of later calls. */
    plan,
    /** The calls so far, in order. */
    calls,
    /** The service with faults over the service of a layer. Other services of that layer are unchanged. */
    layer: <A, E, R>(inner: Layer.Layer<I | A, E, R>): Layer.Layer<I | A, E, R> =>
      Layer.effect(service, Effect.map(service, decorate)).pipe(Layer.provideMerge(inner))
  }
}

/** A fault without the types of its service. */
interface AnyFault {
  readonly method: string
  readonly nth?: number
  when?(...args: ReadonlyArray<unknown>): boolean
  before?(...args: ReadonlyArray<unknown>): Effect.Effect<unknown, unknown>
  after?(answer: unknown, ...args: ReadonlyArray<unknown>): Effect.Effect<unknown, unknown>
}
