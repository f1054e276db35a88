/** The policy of the operator's owner: which Images are accepted, and which of the operator's credentials they may use. */
import { Context, Effect, FileSystem, Layer, Schedule, Schema, Stream, SubscriptionRef } from "effect"
import { EVERYTHING, judge, type Judgement, type PolicyRequest } from "../domain/policy/judge.ts"
import { parsePolicy, POLICY_BYTES, type PolicyMistake } from "../domain/policy/parsePolicy.ts"
import type { PolicyRules } from "../domain/policy/PolicyRule.ts"
import { formatProblem } from "../domain/Problem.ts"

/** A file of a policy that cannot be used. The message names the setting, the file, the line, the field and the remedy. */
export class PolicyFileError extends Schema.TaggedError<PolicyFileError>()("PolicyFileError", {
  detail: Schema.String
}) {
  override get message(): string {
    return this.detail
  }
}

/** The policy does not accept an Image. The message is for users. */
export class PolicyRefused extends Schema.TaggedError<PolicyRefused>()("PolicyRefused", { detail: Schema.String }) {
  /** The reason of the Image's conditions. */
  get reason(): "PolicyRefused" {
    return "PolicyRefused"
  }

  override get message(): string {
    return this.detail
  }
}

export interface PolicyFileOptions {
  /** The setting that names the file, for messages. Default POLICY_FILE. */
  readonly setting?: string
  /** Called when the file was read, with whether the file is valid. */
  readonly onRead?: (isValid: boolean) => void
}

/** How often the file is read. A mounted ConfigMap changes by a link, so its content is compared. */
const INTERVAL = "10 seconds"

/**
 * The policy. Layers: `Policy.layerFile` with the rules of a file, and `Policy.layerNone`, which accepts and grants everything.
 */
export class Policy extends Context.Service<
  Policy,
  {
    /** The judgement by the rules of now. */
    readonly judge: (request: PolicyRequest) => Effect.Effect<Judgement>
    /** Another number with each change of the rules. While it stays, the judgement on an Image stays. */
    readonly version: Effect.Effect<number>
    /** An element for the current rules and one for each change of the rules. A judgement may then be another. Never ends. */
    readonly changes: Stream.Stream<void>
  }
>()("skopeo-operator/credentials/Policy") {
  /** No policy: every Image is accepted, and may use all of the operator's credentials. */
  static readonly layerNone: Layer.Layer<Policy> = Layer.succeed(Policy, {
    judge: () => Effect.succeed({ _tag: "Accepted", grant: EVERYTHING }),
    version: Effect.succeed(0),
    changes: Stream.never
  })

  /**
   * The policy of a file, which is read again every ten seconds for as long as the layer's scope. A mistake in a later version
   * of the file is logged, and the last valid rules stay. Fails with `PolicyFileError` if the file is not valid at first.
   *
   * @example
   * ```ts
   * Policy.layerFile("/etc/skopeo-operator/policy.yaml")
   * ```
   */
  static readonly layerFile = (
    path: string,
    options: PolicyFileOptions = {}
  ): Layer.Layer<Policy, PolicyFileError, FileSystem.FileSystem> => Layer.effect(Policy, makeFile(path, options))
}

const makeFile = Effect.fnUntraced(function* (path: string, { onRead, setting = "POLICY_FILE" }: PolicyFileOptions) {
  const fs = yield* FileSystem.FileSystem
  const failure = (detail: string) => new PolicyFileError({ detail: `${setting}: ${path}${detail}` })

  const text = fs.stat(path).pipe(
    Effect.flatMap(({ size }) => (size > POLICY_BYTES ? Effect.succeed(undefined) : fs.readFileString(path))),
    Effect.mapError(({ reason }) => failure(` cannot be read (${reason._tag}); name a readable file with a policy`)),
    Effect.filterOrFail(
      (read) => read !== undefined,
      () => failure(` is larger than ${POLICY_BYTES} bytes; write a smaller policy`)
    )
  )
  const parse = (read: string): Effect.Effect<PolicyRules, PolicyFileError> =>
    Effect.mapError(Effect.fromResult(parsePolicy(read)), (mistakes) => failure(mistakes.map(placed).join("; ")))

  let known = yield* text
  const current = yield* SubscriptionRef.make({ rules: yield* parse(known), version: 0 })
  onRead?.(true)

  const readAgain = Effect.gen(function* () {
    const read = yield* text
    if (read === known) return onRead?.(true)
    const rules = yield* parse(read)
    yield* SubscriptionRef.update(current, ({ version }) => ({ rules, version: version + 1 }))
    known = read
    yield* Effect.logInfo("policy changed")
    onRead?.(true)
  })
  let logged = ""
  yield* readAgain.pipe(
    Effect.tap(() => Effect.sync(() => (logged = ""))),
    Effect.catch((error) =>
      Effect.suspend(() => {
        onRead?.(false)
        if (error.message === logged) return Effect.void
        logged = error.message
        return Effect.annotateLogs(Effect.logError("policy not read, the last valid policy stays"), {
          error: error.message
        })
      })
    ),
    Effect.delay(INTERVAL),
    Effect.repeat(Schedule.forever),
    Effect.forkScoped
  )

  return Policy.of({
    judge: (request) => Effect.map(SubscriptionRef.get(current), ({ rules }) => judge(rules, request)),
    version: Effect.map(SubscriptionRef.get(current), ({ version }) => version),
    changes: Stream.map(SubscriptionRef.changes(current), () => undefined)
  })
})

/** A mistake after the path of its file. */
const placed = ({ line, ...mistake }: PolicyMistake): string =>
  `${line === undefined ? "" : `:${line}`}: ${formatProblem(mistake)}`
