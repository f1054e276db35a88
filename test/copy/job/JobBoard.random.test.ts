/** The board among random events, with a cluster that is slow, loses answers and is tampered with. */
import { assert, describe, it } from "@effect/vitest"
import { HashMap, Option } from "effect"
import { type Claim, claimOf, claimsOf, type Limits } from "../../../src/copy/CopyLimits.ts"
import { jobName, outcomeOf, uidOf } from "../../../src/copy/job/Job.ts"
import type { Board } from "../../../src/copy/job/board/Board.ts"
import { answerTo, copiesOf } from "../../../src/copy/job/board/queries.ts"
import { step } from "../../../src/copy/job/board/step.ts"
import { type Command, Event } from "../../../src/copy/job/JobEvents.ts"
import { type JobPod, mayWrite, obstacleOf } from "../../../src/copy/job/JobPod.ts"
import { claimsIn, isKept, isQueued, keptIn, limitedIn, timesIn } from "../../../src/copy/job/board/Slot.ts"
import { type Copy, type CopyTask, type ImageIdentity, isFinished } from "../../../src/domain/Copy.ts"
import type { JobObject } from "../../../src/kube/Resources.ts"
import { endpoint } from "../../support/endpoints.ts"
import { seededRandom } from "../../support/seededRandom.ts"
import { emptyBoardOf, jobFor, NOW, preparedFor, taskOf } from "./JobBoard.fixtures.ts"

const SEEDS = Array.from({ length: 1_000 }, (_, n) => n + 1)
/** The seeds are divided into tests, so that no test takes long on a busy machine. */
const PARTS = 25
const STEPS = 150

const IMAGES: ReadonlyArray<ImageIdentity> = ["one", "two"].flatMap((namespace) =>
  ["a", "b"].map((name) => ({ namespace, name, uid: `${namespace}-${name}` }))
)
const TAGS = ["v1", "v2", "v3", "v4"]
const SOURCES = ["a.test", "b.test"]
const DESTINATIONS = ["a.test", "c.test"]
const REGISTRIES = new Set([...SOURCES, ...DESTINATIONS])

/** Whether a Job makes another pod after this one. */
const isRetried = ({ exitCode, hasEnded }: JobPod): boolean => exitCode !== 0 && hasEnded

const keyOf = ({ name, namespace }: Pick<ImageIdentity, "namespace" | "name">): string => `${namespace}/${name}`

const run = (seed: number): void => {
  const random = seededRandom(seed)
  const limits: Limits = { total: 1 + random.below(3), perRegistry: 1 + random.below(2) }
  let board: Board = emptyBoardOf(limits)
  let now = NOW
  let uids = 0
  /** The Jobs at the API server. `watch` has the changes that the board has not seen. */
  const cluster = new Map<string, { readonly job: JobObject; readonly task: CopyTask }>()
  let watch: Array<Event> = [Event.Relisted({ jobs: [] })]
  /** The pods of existing and deleted Jobs. `podWatch` has the changes that the board has not seen. */
  const pods = new Map<string, JobPod>()
  let podWatch: Array<Event> = [Event.PodsRelisted({ pods: [] })]
  /** The pods that the board knows, and since when. */
  const known = new Map<string, { readonly pod: JobPod; readonly since: number }>()
  const begun: Array<Command> = []
  const answers: Array<Event> = []
  /** The attempts with a preparation or reserved pulls that are not settled. */
  const kept = new Set<string>()
  /** All attempts that were prepared. A found Job may be adopted before its attempt is prepared. */
  const prepared = new Set<string>()
  let isCalm = false

  const say = (message: string): string => `${message} (seed ${seed})`
  const seen = (): ReadonlyMap<string, string> =>
    new Map(
      IMAGES.map((image) => [
        keyOf(image),
        // A running copy changes its id to the uid of its Job. No Image has to know how far its preparation is.
        JSON.stringify(copiesOf(board, image).map((copy) => (copy.state._tag === "Running" ? copy.state._tag : copy)))
      ])
    )
  const podsOf = (uid: string): ReadonlyArray<JobPod> => [...pods.values()].filter(({ job }) => job.uid === uid)
  /** Whether Skopeo may run in a pod of a Job, now or later. The limits bound such Jobs. */
  const isRunning = (job: JobObject): boolean =>
    outcomeOf(job)._tag === "Active" && podsOf(uidOf(job)).every((pod) => pod.exitCode === undefined || isRetried(pod))
  /** The running Jobs and the outstanding creates, whether or not the board knows them. */
  const claims = (): ReadonlyArray<Claim> => [
    ...[...cluster.values()].flatMap(({ job, task }) => (isRunning(job) ? [claimOf(uidOf(job), 0, task)] : [])),
    ...begun.flatMap((command) => (command._tag === "Create" ? [claimOf(command.name, 0, command.task)] : []))
  ]

  const assertWithinLimits = (): void => {
    /** One copy of another namespace may run beside the copies of a namespace that has all slots of a limit above one. */
    const mostOf = (limit: number): number => (limit > 1 ? limit + 1 : limit)
    const all = claims()
    assert.isAtMost(all.length, mostOf(limits.total), say("Jobs in all"))
    for (const registry of REGISTRIES) {
      const there = all.filter(({ registries }) => registries.includes(registry)).length
      assert.isAtMost(there, mostOf(limits.perRegistry), say(`Jobs at ${registry}`))
    }
  }

  /** The indexes of the board agree with its slots. */
  const assertDerived = (): void => {
    const slots = [...HashMap.entries(board.slots)]
    const keysOf = (claims: Iterable<Claim>) => [...claims].map(({ key }) => key).sort()
    const indexed = (index: HashMap.HashMap<string, ReadonlyArray<string>>) =>
      [...HashMap.entries(index)].flatMap(([key, names]) => names.map((name) => `${key} ${name}`)).sort()
    assert.deepStrictEqual(
      keysOf(HashMap.values(board.running)),
      keysOf(slots.flatMap(([name, slot]) => claimsIn(name, slot))),
      say("running")
    )
    assert.deepStrictEqual(
      keysOf(claimsOf(board.waiting)),
      slots.flatMap(([name, slot]) => (isQueued(slot) ? [name] : [])).sort(),
      say("waiting")
    )
    assert.deepStrictEqual(
      indexed(board.limited),
      slots.flatMap(([name, slot]) => limitedIn(slot).map((namespace) => `${namespace} ${name}`)).sort(),
      say("limited")
    )
    const images = slots.flatMap(([name, { attempt, job }]) =>
      [...new Set([attempt, job].flatMap((part) => (part === undefined ? [] : [keyOf(part.task.image)])))].map(
        (image) => `${image} ${name}`
      )
    )
    assert.deepStrictEqual(indexed(board.byImage), images.sort(), say("byImage"))
    const needed = slots.flatMap(([, slot]) => keptIn(slot))
    for (const id of kept) assert.include(needed, id, say("kept"))
    for (const id of needed) if (prepared.has(id)) assert.isTrue(kept.has(id), say("settled too early"))
    assert.deepStrictEqual(
      [...board.kept].sort(),
      slots.flatMap(([name, { job }]) => (isKept(job) ? [name] : [])).sort(),
      say("kept for its log")
    )
    const times = slots.flatMap(([, slot]) => timesIn(slot))
    if (times.length > 0) assert.isAtMost(board.wakeAt ?? Number.POSITIVE_INFINITY, Math.min(...times), say("wakeAt"))
  }

  const recordPods = (event: Event): void => {
    if (event._tag === "PodGone") known.delete(event.uid)
    const isList = event._tag === "PodsRelisted" || event._tag === "PodsLeft"
    const shown = event._tag === "PodSeen" ? [event.pod] : isList ? event.pods : []
    if (event._tag === "PodsRelisted") {
      for (const uid of known.keys()) if (!shown.some((pod) => pod.uid === uid)) known.delete(uid)
    }
    for (const pod of shown) known.set(pod.uid, { pod, since: known.get(pod.uid)?.since ?? now })
  }

  /** No Job is created beside a known pod of an earlier Job that may write the tag, unless the wait for the pod is over. */
  const assertAlone = (command: Command): void => {
    if (command._tag !== "Create") return
    for (const { pod, since } of known.values()) {
      if (pod.job.name !== command.name || !mayWrite(pod)) continue
      assert.isAtLeast(now - since, 120_000, say(`a pod of ${pod.job.uid} may write ${command.name}`))
    }
  }

  const tell = (event: Event): void => {
    const before = seen()
    recordPods(event)
    const next = step(board, event, now)
    board = next.board
    const announced = new Set<string>()
    for (const command of next.commands) {
      assertAlone(command)
      if (command._tag === "Announce") announced.add(keyOf(command.image))
      else if (command._tag === "Settle") {
        assert.strictEqual(kept.delete(command.id), prepared.has(command.id), say(`${command.id} is settled once`))
      } else {
        if (command._tag === "Prepare") {
          kept.add(command.id)
          prepared.add(command.id)
        }
        begun.push(command)
      }
    }
    const own =
      event._tag === "Start" ? keyOf(event.task.image) : event._tag === "Release" ? keyOf(event.copy.image) : ""
    for (const [image, copies] of seen()) {
      if (copies !== before.get(image) && image !== own) assert.isTrue(announced.has(image), say(`news of ${image}`))
    }
    if (random.chance(0.2)) assertDerived()
    assertWithinLimits()
    if (event._tag === "Tick") assert.isAbove(board.wakeAt ?? Number.POSITIVE_INFINITY, now, say("time goes on"))
  }

  /** Whether an operation fails. None fails while the cluster is calm. */
  const fails = (probability: number): boolean => !isCalm && random.chance(probability)

  const answerOf = (command: Command): Event | undefined => {
    switch (command._tag) {
      case "Prepare": {
        const { id, name, task } = command
        if (fails(0.1)) return Event.NotPrepared({ name, id, reason: "CopyFailed", message: "no", until: undefined })
        if (fails(0.1)) return Event.NotNeeded({ name, id, digest: task.digest })
        if (fails(0.2)) return Event.Limited({ name, id, message: "limit", until: now + random.below(120_000) })
        return Event.Prepared({ name, id, prepared: preparedFor(task) })
      }
      case "Create": {
        const { id, name, overdue, prepared, task } = command
        const left = openPods().filter(({ job, uid }) => job.name === name && !overdue.includes(uid))
        if (left.length > 0) return Event.PodsLeft({ name, id, pods: left, prepared })
        if (cluster.has(name)) return Event.NotCreated({ name, id, message: "exists", isCertain: false })
        if (fails(0.1)) return Event.NotCreated({ name, id, message: "no", isCertain: random.chance(0.5) })
        uids += 1
        const job = jobFor(task, `uid-${uids}`)
        cluster.set(name, { job, task })
        watch.push(Event.Seen({ job }))
        return fails(0.3)
          ? Event.NotCreated({ name, id, message: "no answer", isCertain: false })
          : Event.Created({ name, id, job, access: prepared.access })
      }
      case "Check": {
        const { name, of } = command
        return fails(0.3)
          ? Event.NotChecked({ name, of, message: "no answer" })
          : Event.Checked({ name, of, job: cluster.get(name)?.job })
      }
      case "MakeSecret": {
        const of = { name: command.name, uid: uidOf(command.job) }
        return fails(0.3)
          ? Event.SecretNotMade({ ...of, message: "no" })
          : Event.SecretMade({ ...of, access: preparedFor(taskOf("v1")).access })
      }
      case "Delete": {
        const { name, uid } = command
        if (fails(0.2)) return Event.NotDeleted({ name, uid, message: "no" })
        const found = cluster.get(name)
        if (found !== undefined && uidOf(found.job) !== uid) return Event.Gone({ name, uid })
        remove(name)
        return fails(0.2) ? Event.NotDeleted({ name, uid, message: "no answer" }) : Event.Deleted({ name, uid })
      }
      case "Inspect": {
        const of = { name: command.name, uid: uidOf(command.job) }
        const state = fails(0.3)
          ? ({ _tag: "Failed", at: now, reason: "CopyFailed", message: "it broke" } as const)
          : ({ _tag: "Succeeded", at: now } as const)
        return Event.Inspected({ ...of, state })
      }
      case "CheckPods": {
        const { name, uid } = command
        if (fails(0.3)) return Event.PodsNotChecked({ name, uid, message: "no answer" })
        return Event.PodsChecked({ name, uid, pods: podsOf(uid), refusal: random.chance(0.5) ? "no" : undefined })
      }
      case "Tidy": {
        const { chore, name, uid } = command
        if (fails(0.3)) return Event.NotTidied({ name, uid, chore, message: "no" })
        const found = cluster.get(name)
        if (chore === "Delete" && found !== undefined && uidOf(found.job) === uid) remove(name)
        return Event.Tidied({ name, uid, chore })
      }
      case "Announce":
      case "Settle":
        return undefined
    }
  }

  const remove = (name: string): void => {
    const found = cluster.get(name)
    if (found === undefined) return
    cluster.delete(name)
    watch.push(Event.Gone({ name, uid: uidOf(found.job) }))
  }

  const end = (name: string): void => {
    const found = cluster.get(name)
    if (found === undefined || outcomeOf(found.job)._tag !== "Active") return
    const job = jobFor(found.task, uidOf(found.job), fails(0.4) ? "Failed" : "Complete")
    for (const pod of podsOf(uidOf(job))) if (mayWrite(pod)) changePod({ ...pod, hasEnded: true })
    cluster.set(name, { ...found, job })
    watch.push(Event.Seen({ job }))
  }

  const changePod = (pod: JobPod): void => {
    pods.set(pod.uid, pod)
    podWatch.push(Event.PodSeen({ pod }))
  }
  const removePod = ({ job, uid }: JobPod): void => {
    pods.delete(uid)
    podWatch.push(Event.PodGone({ name: job.name, uid }))
  }
  const openPods = (): ReadonlyArray<JobPod> => [...pods.values()].filter(mayWrite)
  const isOrphan = ({ job }: JobPod): boolean => {
    const found = cluster.get(job.name)
    return found === undefined || uidOf(found.job) !== job.uid
  }

  /** The cluster creates pods for Jobs without one, starts them, ends them, deletes and evicts them. */
  const createPod = (): void => {
    const name = random.pick([...cluster.keys()])
    const job = name === undefined ? undefined : cluster.get(name)?.job
    if (name === undefined || job === undefined || !isRunning(job) || podsOf(uidOf(job)).some(mayWrite)) return
    uids += 1
    const uid = `pod-${uids}`
    const obstacle = random.chance(0.3) ? obstacleOf("PodUnschedulable", "no node") : undefined
    const state = { hasBegun: false, exitCode: undefined, hasEnded: false, obstacle }
    changePod({ name: uid, uid, job: { name, uid: uidOf(job) }, ...state })
  }
  const startPod = (): void => {
    const pod = random.pick(openPods())
    if (pod !== undefined) changePod({ ...pod, hasBegun: true, obstacle: undefined })
  }
  const exitPod = (): void => {
    const pod = random.pick(openPods().filter(({ hasBegun }) => hasBegun))
    if (pod !== undefined) changePod({ ...pod, exitCode: random.chance(0.6) ? 0 : 1, hasEnded: random.chance(0.6) })
  }
  const sweepPod = (): void => {
    const pod = random.pick([...pods.values()].filter(isOrphan))
    if (pod !== undefined) removePod(pod)
  }
  const evictPod = (): void => {
    const pod = random.pick(openPods())
    if (pod !== undefined) removePod(pod)
  }

  const copies = (): ReadonlyArray<Copy> => IMAGES.flatMap((image) => copiesOf(board, image))
  const take = <A>(from: Array<A>, index: number): A | undefined => from.splice(index, 1)[0]

  const start = (): void => {
    const image = random.pick(IMAGES)
    const tag = random.pick(TAGS)
    if (image === undefined || tag === undefined) return
    const task = taskOf(tag, {
      image,
      digest: `sha256:${(random.chance(0.3) ? "cd" : "ab").repeat(32)}`,
      source: endpoint(random.pick(SOURCES) ?? "", "app"),
      // Each tag has one destination, because the name of a slot depends on the destination.
      destination: endpoint(DESTINATIONS[TAGS.indexOf(tag) % DESTINATIONS.length] ?? "", "mirror/app")
    })
    const wasFree = answerTo(board, task)._tag === "Started"
    tell(Event.Start({ task }))
    const own = copiesOf(board, image).filter((copy) => copy.tag === tag)
    if (wasFree) assert.lengthOf(own, 1, say("a copy that was started"))
  }

  const carryOut = (): void => {
    const next = take(begun, random.below(begun.length))
    if (next === undefined) return
    const answer = answerOf(next)
    if (answer !== undefined) answers.push(answer)
  }

  const tellNews = (): void => {
    const news = random.chance(0.5) ? (watch.shift() ?? podWatch.shift()) : (podWatch.shift() ?? watch.shift())
    if (news !== undefined) tell(news)
  }
  const tellAnswer = (): void => {
    const answer = take(answers, random.below(answers.length))
    if (answer !== undefined) tell(answer)
  }
  const pass = (millis: number): void => {
    now += millis
    if (board.wakeAt !== undefined && board.wakeAt <= now) tell(Event.Tick())
  }
  const cancelOne = (): void => {
    const copy = random.pick(copies())
    if (copy !== undefined) tell(Event.Cancel({ copy }))
  }
  const releaseOne = (): void => {
    const copy = random.pick(copies().filter(isFinished))
    if (copy !== undefined) tell(Event.Release({ copy }))
  }
  /** The watch ends, and all Jobs or pods are listed. Later changes follow the list. */
  const relist = (): void => {
    watch = [Event.Relisted({ jobs: [...cluster.values()].map(({ job }) => job) })]
  }
  const relistPods = (): void => {
    podWatch = [Event.PodsRelisted({ pods: [...pods.values()] })]
  }

  /** A new process starts from the cluster. Each outstanding request has arrived or has not, and its answer is lost. */
  const restart = (): void => {
    for (const command of begun.splice(0)) if (random.chance(0.5)) answerOf(command)
    answers.length = 0
    kept.clear()
    known.clear()
    board = emptyBoardOf(limits)
    relist()
    relistPods()
    // No copy starts before the Jobs are listed.
    for (const listed of watch.splice(0)) tell(listed)
  }

  const steps: ReadonlyArray<readonly [weight: number, step: () => void]> = [
    [4, start],
    [6, carryOut],
    [6, tellAnswer],
    [6, tellNews],
    [2, () => end(random.pick([...cluster.keys()]) ?? "")],
    [1, cancelOne],
    [2, releaseOne],
    [1, () => remove(random.pick([...cluster.keys()]) ?? "")],
    [1, relist],
    [1, relistPods],
    [3, createPod],
    [3, startPod],
    [2, exitPod],
    [2, sweepPod],
    [1, evictPod],
    [2, () => pass(random.below(30_000))]
  ]
  const rarely = 0.005
  const weighted = steps.flatMap(([weight, step]) => Array.from({ length: weight }, () => step))
  for (let n = 0; n < STEPS; n++) (random.chance(rarely) ? restart : random.pick(weighted))?.()

  /** Answers every command, ends all Jobs and lets time pass until nothing more happens. */
  const settle = (): void => {
    for (let round = 0; round < 500; round++) {
      while (begun.length > 0 || answers.length > 0 || watch.length > 0 || podWatch.length > 0) {
        carryOut()
        tellAnswer()
        tellNews()
      }
      for (const name of cluster.keys()) end(name)
      for (const pod of [...pods.values()].filter(isOrphan)) removePod(pod)
      // A copy may wait for the release of another copy to its destination.
      for (const copy of copies().filter(isFinished)) {
        if (copies().some((other) => !isFinished(other))) tell(Event.Release({ copy }))
      }
      if (watch.length > 0 || podWatch.length > 0 || begun.length > 0) continue
      if (board.wakeAt === undefined) return
      pass(Math.max(1, board.wakeAt - now))
    }
    assert.fail(say("it never comes to rest"))
  }
  isCalm = true
  settle()
  for (const copy of copies()) {
    assert.isTrue(isFinished(copy), say(`a copy is left behind: ${copy.tag} ${JSON.stringify(copy.state)}`))
  }
  for (const copy of copies()) tell(Event.Release({ copy }))
  settle()
  assert.deepStrictEqual(copies(), [], say("released"))
  for (const name of cluster.keys()) remove(name)
  settle()
  assert.deepStrictEqual([...HashMap.keys(board.slots)], [], say("nothing is left"))
  assert.deepStrictEqual([...kept], [], say("all is settled"))
  assert.isTrue(Option.isNone(HashMap.get(board.slots, jobName(taskOf("v1")))))
}

describe("copies by Jobs, whatever happens in whatever order", () => {
  it.each(Array.from({ length: PARTS }, (_, part) => SEEDS.filter((seed) => seed % PARTS === part)))(
    "Copies by Jobs never exceed the limits, and each end is announced: seeds from %i on",
    (...seeds) => {
      for (const seed of seeds) run(seed)
    },
    60_000
  )
})
