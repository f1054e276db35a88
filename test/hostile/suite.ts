/**
 * Attacks an operator, serves an honest Image of another namespace meanwhile, and reports in words all that is not as it should
 * be. The operator may be a process or a pod.
 */
import { readdirSync } from "node:fs"
import { Clock, Duration, Effect, Option, Schema } from "effect"
import { conditionOf, ImageStatus } from "../../src/domain/Image.ts"
import type { KubeClient } from "../../src/kube/KubeClient.ts"
import { Images, ReportedEvents, Secrets } from "../../src/kube/Resources.ts"
import { whole } from "../support/wholeObjects.ts"
import type { Attack, HostileImage, HostileSecret, Staged, Stage } from "./Attack.ts"

/** The operator under attack. */
export interface Target {
  /** The log so far, one JSON object a line. */
  readonly log: Effect.Effect<string>
  readonly metrics: Effect.Effect<string>
  /** The most memory since the last call, in bytes. */
  readonly peakBytes: Effect.Effect<number>
  /** The most memory that the chart allows, in bytes. */
  readonly limitBytes: number
  /** Starts the operator anew. Ends when it is ready. */
  readonly restart: Effect.Effect<void>
  /** The reason why the operator is no longer the process that was started. */
  readonly death: Effect.Effect<string | undefined>
}

export interface World {
  readonly kube: KubeClient["Service"]
  readonly stage: Stage
  /** An honest image that the operator can read: a repository with the tag 1.0.0. */
  readonly honest: string
  readonly target: Target
}

export interface NamedAttack extends Attack {
  readonly name: string
}

const SERVERS = new URL("servers/", import.meta.url)

/** All attacks, by the names of their files. */
export const attacks: ReadonlyArray<NamedAttack> = await Promise.all(
  readdirSync(SERVERS)
    .filter((file) => file.endsWith(".ts"))
    .sort()
    .map(async (file) => {
      const { attack } = (await import(new URL(file, SERVERS).href)) as { readonly attack: Attack }
      return { name: file.slice(0, -".ts".length), ...attack }
    })
)

const AT_ONCE = 10

/** The attacks in groups that are made at once. */
export const inBatches = (all: ReadonlyArray<NamedAttack>): ReadonlyArray<ReadonlyArray<NamedAttack>> =>
  Array.from({ length: Math.ceil(all.length / AT_ONCE) }, (_, index) =>
    all.slice(index * AT_ONCE, (index + 1) * AT_ONCE)
  )

export const namespaceOf = ({ name }: NamedAttack): string => `hostile-${name}`
export const VICTIMS = "hostile-victims"

/** The longest time until an honest Image is served. */
const SERVED_WITHIN = Duration.seconds(10)
/** The longest time until a hostile Image has its condition. */
const ENDED_WITHIN = Duration.seconds(30)
/** The longest time until an attack begins. An honest Image is created then. The Images of an earlier attack may still go. */
const BEGUN_WITHIN = Duration.seconds(30)
/** The most bytes of a status. Every Image's status is in the operator's memory and in etcd. */
const STATUS_BYTES = 64 * 1024

const imageOf = (namespace: string, { annotations, labels, name, spec }: HostileImage) => ({
  metadata: {
    namespace,
    name,
    ...(annotations === undefined ? {} : { annotations }),
    ...(labels === undefined ? {} : { labels })
  },
  spec
})

const secretOf = (namespace: string, { name, password, registry, username }: HostileSecret) => ({
  metadata: { namespace, name, annotations: { "skopeo.io/registry": registry } },
  type: "kubernetes.io/basic-auth",
  data: {
    username: Buffer.from(username).toString("base64"),
    password: Buffer.from(password).toString("base64")
  }
})

const WholeImages = whole(Images)
const decodeStatus = Schema.decodeUnknownOption(ImageStatus)

const statusIn = (world: World, namespace: string, name: string) =>
  Effect.map(world.kube.get(WholeImages, { namespace, name }), (object) =>
    Option.getOrElse(
      Option.flatMap(object, ({ status }) => decodeStatus(status)),
      (): ImageStatus => ({})
    )
  )

/** Asks until an answer fits, or the time is over. The last answer. */
const until = <A, E>(ask: Effect.Effect<A, E>, fits: (answer: A) => boolean, within: Duration.Duration) =>
  Effect.gen(function* () {
    const end = (yield* Clock.currentTimeMillis) + Duration.toMillis(within)
    while (true) {
      const answer = yield* ask
      if (fits(answer) || (yield* Clock.currentTimeMillis) > end) return answer
      yield* Effect.sleep("100 millis")
    }
  })

const describe = (status: ImageStatus): string => {
  const ready = conditionOf(status, "Ready")
  return ready === undefined ? "no condition Ready" : `${ready.status} ${ready.reason}: ${ready.message.slice(0, 300)}`
}

const hasEnded = (status: ImageStatus, { reasons, says = /^/u }: NonNullable<HostileImage["ends"]>): boolean => {
  const { message = "", reason } = conditionOf(status, "Ready") ?? {}
  return reasons.some((one) => one === reason) && says.test(message)
}

/** An honest Image, served while the attack goes on. */
const serveVictim = Effect.fnUntraced(function* (world: World, name: string) {
  const { honest, kube, stage } = world
  const start = yield* Clock.currentTimeMillis
  yield* kube.create(Images, {
    metadata: { namespace: VICTIMS, name },
    spec: {
      source: { name: honest, version: "1.0.0", tlsVerify: false },
      destination: { name: `${stage.destination}/victims/${name}`, tlsVerify: false }
    }
  })
  const isReady = (status: ImageStatus) => conditionOf(status, "Ready")?.status === "True"
  const status = yield* until(statusIn(world, VICTIMS, name), isReady, SERVED_WITHIN)
  const seconds = ((yield* Clock.currentTimeMillis) - start) / 1_000
  return {
    seconds,
    problems: isReady(status) ? [] : [`the honest Image is not served after ${seconds} s: ${describe(status)}`]
  }
})

const textsIn = (value: unknown): ReadonlyArray<string> =>
  typeof value === "string"
    ? [value]
    : typeof value === "object" && value !== null
      ? Object.entries(value).flatMap(([key, inner]) => [key, ...textsIn(inner)])
      : []

/** What steers a terminal or forges a line: control, format and bidi characters, separators of lines and paragraphs. */
const STEERING = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u

const problemsOfTexts = (
  where: string,
  texts: ReadonlyArray<string>,
  unspeakable: ReadonlyArray<string>
): ReadonlyArray<string> => [
  ...unspeakable.flatMap((word) =>
    texts.some((text) => text.includes(word)) ? [`${where} has the secret ${JSON.stringify(word)}`] : []
  ),
  ...texts
    .filter((text) => STEERING.test(text))
    .slice(0, 3)
    .map((text) => `${where} has a character that steers a terminal: ${JSON.stringify(text).slice(0, 300)}`)
]

const parsedLine = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Unknown))

const textsOfLog = (log: string): ReadonlyArray<string> =>
  log.split("\n").flatMap((line) => {
    const parsed = parsedLine(line)
    return Option.isSome(parsed) ? [line, ...textsIn(parsed.value)] : [line]
  })

const problemsOfWords = Effect.fnUntraced(function* (
  { kube, target }: World,
  namespaces: ReadonlyArray<string>,
  log: string,
  unspeakable: ReadonlyArray<string>
) {
  const objects = yield* Effect.forEach(
    namespaces,
    (namespace) =>
      Effect.all({
        images: kube.list(WholeImages, { namespace }),
        events: kube.list(ReportedEvents, { namespace })
      }),
    { concurrency: 4 }
  )
  const statuses = objects.flatMap(({ images }) => images.items.map(({ metadata, status }) => ({ metadata, status })))
  const fat = statuses.filter(({ status }) => JSON.stringify(status ?? {}).length > STATUS_BYTES)
  return [
    ...problemsOfTexts(
      "a status",
      statuses.flatMap(({ status }) => textsIn(status)),
      unspeakable
    ),
    ...problemsOfTexts(
      "an Event",
      objects.flatMap(({ events }) => events.items.flatMap(({ note }) => [note ?? ""])),
      unspeakable
    ),
    ...problemsOfTexts("the log", textsOfLog(log), unspeakable),
    ...problemsOfTexts("a metric", (yield* target.metrics).split("\n"), unspeakable),
    ...fat.map(({ metadata }) => `the status of ${metadata.name} has more than ${STATUS_BYTES} bytes`)
  ]
})

export interface Outcome {
  /** All that is not as it should be. */
  readonly problems: ReadonlyArray<string>
  readonly peakBytes: number
  /** How long the honest Image waited. */
  readonly servedSeconds: number
}

const create = (world: World, namespace: string, { images, secrets = [] }: Staged) =>
  Effect.andThen(
    Effect.forEach(secrets, (secret) => world.kube.create(Secrets, secretOf(namespace, secret)), { concurrency: 8 }),
    Effect.forEach(images, (image) => world.kube.create(Images, imageOf(namespace, image)), { concurrency: 8 })
  )

const remove = (world: World, namespace: string, { images, secrets = [] }: Staged) =>
  Effect.andThen(
    Effect.forEach(images, ({ name }) => world.kube.delete(Images, { namespace, name }), { concurrency: 8 }),
    Effect.forEach(secrets, ({ name }) => world.kube.delete(Secrets, { namespace, name }), { concurrency: 8 })
  )

/** How many attacks have been made, so that each victim has another name. */
let rounds = 0

/** Makes attacks at once, until each has ended as it should or its time is over. */
export const besiege = Effect.fnUntraced(function* (world: World, besiegers: ReadonlyArray<NamedAttack>) {
  const { kube, stage, target } = world
  // An earlier attack may have ended the operator. In a cluster it would run again.
  if ((yield* target.death) !== undefined) yield* target.restart
  yield* target.peakBytes
  const before = (yield* target.log).length
  const all = yield* Effect.forEach(
    besiegers,
    (attack) => Effect.map(attack.start(stage), (staged) => ({ attack, staged, namespace: namespaceOf(attack) })),
    { concurrency: "unbounded" }
  )
  yield* Effect.forEach(
    all,
    ({ namespace, staged }) =>
      Effect.acquireRelease(create(world, namespace, staged), () => Effect.orDie(remove(world, namespace, staged))),
    { concurrency: "unbounded" }
  )
  if (besiegers.some(({ atStart = false }) => atStart)) yield* target.restart
  const late = yield* Effect.forEach(
    all,
    ({ attack, staged }) =>
      (staged.begun ?? Effect.void).pipe(
        Effect.as<ReadonlyArray<string>>([]),
        Effect.timeoutOrElse({
          duration: BEGUN_WITHIN,
          orElse: () => Effect.succeed([`${attack.name} is not asked within ${Duration.format(BEGUN_WITHIN)}`])
        })
      ),
    { concurrency: "unbounded" }
  )
  yield* Effect.forEach(all, ({ namespace, staged }) => staged.strike?.(kube, namespace) ?? Effect.void, {
    concurrency: "unbounded"
  })
  rounds += 1
  const victim = yield* serveVictim(world, `victim-${rounds}`)
  const unended = yield* Effect.forEach(
    all.flatMap(({ namespace, staged }) => staged.images.map((image) => ({ image, namespace }))),
    ({ image: { ends, name }, namespace }) =>
      ends === undefined
        ? Effect.succeed([])
        : Effect.map(
            until(statusIn(world, namespace, name), (status) => hasEnded(status, ends), ENDED_WITHIN),
            (status) =>
              hasEnded(status, ends)
                ? []
                : [
                    `${name} does not end with ${ends.reasons.join(" or ")}${ends.says === undefined ? "" : ` ${ends.says}`}: ${describe(status)}`
                  ]
          ),
    { concurrency: "unbounded" }
  )
  const death = yield* target.death
  const log = (yield* target.log).slice(before)
  const words = yield* problemsOfWords(
    world,
    all.map(({ namespace }) => namespace),
    log,
    all.flatMap(({ staged }) => staged.unspeakable ?? [])
  )
  const peakBytes = yield* target.peakBytes
  // Memory that cannot be measured is not below the limit.
  const memory =
    peakBytes <= target.limitBytes
      ? []
      : [`the operator took ${megabytes(peakBytes)} MB, and its limit is ${megabytes(target.limitBytes)} MB`]
  return {
    problems: [
      ...(death === undefined ? [] : [death]),
      ...late.flat(),
      ...victim.problems,
      ...unended.flat(),
      ...all.flatMap(({ staged }) => staged.gains?.() ?? []),
      ...words,
      ...memory
    ],
    peakBytes,
    servedSeconds: victim.seconds
  } satisfies Outcome
})

export const megabytes = (bytes: number): number => Math.round(bytes / 1e6)
