/**
 * A service that does not always do what it is told. A plan says what becomes of which calls, by their number, so the same
 * plan makes the same faults in every run.
 */
import { Clock, type Context, Deferred, type Duration, Effect, Layer, Stream } from "effect"

type Outcome<F> = F extends (...args: infer _) => Effect.Effect<infer A, infer E, infer _R>
  ? { readonly answer: A; readonly error: E }
  : F extends (...args: infer _) => Stream.Stream<infer _A, infer E, infer _R>
    ? { readonly answer: never; readonly error: E }
    : never

type Arguments<F> = F extends (...args: infer A) => unknown ? A : never

type Method<S> = { [K in keyof S]: [Outcome<S[K]>] extends [never] ? never : K }[keyof S] & string

/** What becomes of calls of one method. */
export interface MethodFault<S, K extends Method<S>> {
  readonly method: K
  /** Which calls. Default all of them. */
  when?(...args: Arguments<S[K]>): boolean
  /** Which of those calls alone, from 1. Default each. */
  readonly nth?: number
  /** What happens before the service is asked; if that fails, the service is not asked. */
  before?(...args: Arguments<S[K]>): Effect.Effect<unknown, Outcome<S[K]>["error"]>
  /** What its caller gets of the service's answer, or instead. Not for streams. */
  after?(
    answer: Outcome<S[K]>["answer"],
    ...args: Arguments<S[K]>
  ): Effect.Effect<Outcome<S[K]>["answer"], Outcome<S[K]>["error"]>
}

/** What becomes of calls of a service. */
export type Fault<S> = { [K in Method<S>]: MethodFault<S, K> }[Method<S>]

/** A call that was made, whatever became of it. */
export type Call<S> = {
  [K in Method<S>]: {
    readonly method: K
    readonly args: Arguments<S[K]>
    /** Milliseconds of the Clock. */
    readonly at: number
  }
}[Method<S>]

/** The call fails, and the service does not hear of it. */
export const failing = <E>(error: E) => ({ before: () => Effect.fail(error) })
/** The service does what it is told, and its caller is told of a failure. */
export const answerLost = <E>(error: E) => ({ after: () => Effect.fail(error) })
/** The service is asked later. */
export const delayed = (by: Duration.Input) => ({ before: () => Effect.sleep(by) })
/** The service does what it is told at once, and its caller hears of it later. */
export const answerDelayed = (by: Duration.Input) => ({
  after: <A>(answer: A) => Effect.delay(Effect.succeed(answer), by)
})
/** The service is asked once the test lets it be. */
export const heldUntil = (gate: Deferred.Deferred<void>) => ({ before: () => Deferred.await(gate) })

/**
 * A service whose calls are recorded, and go as `plan` says: faults that a test may add and take away as it goes on.
 *
 * @example
 * const kube = Faults.of(KubeClient)
 * kube.plan.push({ method: "create", when: ({ plural }) => plural === "jobs", nth: 2, ...Faults.answerLost(timeout) })
 * const layer = kube.layer(KubeClientMemory.layer())
 */
export const of = <I, S extends object>(service: Context.Key<I, S>, plan: Array<Fault<S>> = []) => {
  const calls: Array<Call<S>> = []
  const counts = new Map<AnyFault, number>()

  /** The faults of a call, which is counted. */
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
    /** The faults to come. */
    plan,
    /** The calls so far, in order. */
    calls,
    /** The service over another of its kind; what else is in that one's layer stays as it is. */
    layer: <A, E, R>(inner: Layer.Layer<I | A, E, R>): Layer.Layer<I | A, E, R> =>
      Layer.effect(service, Effect.map(service, decorate)).pipe(Layer.provideMerge(inner))
  }
}

/** A fault as it is at run time, where the methods of all services are alike. */
interface AnyFault {
  readonly method: string
  readonly nth?: number
  when?(...args: ReadonlyArray<unknown>): boolean
  before?(...args: ReadonlyArray<unknown>): Effect.Effect<unknown, unknown>
  after?(answer: unknown, ...args: ReadonlyArray<unknown>): Effect.Effect<unknown, unknown>
}
