/** A board for tests. Its commands are given as texts. */
import { HashMap, Option } from "effect"
import type { Limits } from "../../../src/copy/CopyLimits.ts"
import { jobName } from "../../../src/copy/job/Job.ts"
import { jobOf, settingsOf } from "../../../src/copy/job/JobManifest.ts"
import { type Board, emptyBoard } from "../../../src/copy/job/board/Board.ts"
import { answerTo, copiesOf } from "../../../src/copy/job/board/queries.ts"
import { step } from "../../../src/copy/job/board/step.ts"
import { type Command, Event, type Prepared } from "../../../src/copy/job/JobEvents.ts"
import type { JobPod } from "../../../src/copy/job/JobPod.ts"
import type { Copy, CopyTask, ImageIdentity } from "../../../src/domain/Copy.ts"
import type { JobObject } from "../../../src/kube/Resources.ts"
import { endpoint } from "../../support/endpoints.ts"

export const NOW = Date.parse("2026-11-24T12:00:00Z")
export const SECOND = 1_000

const NAMESPACE = "jobs"
const DIGEST = `sha256:${"ab".repeat(32)}`
const options = { namespace: NAMESPACE, image: "quay.io/containers/skopeo:v1.9.3", instance: "release-1" }

export const START_SECONDS = 300

/** A board before any event. */
export const emptyBoardOf = (limits: Limits): Board =>
  emptyBoard({ limits, namespace: NAMESPACE, settings: settingsOf(options), startMillis: START_SECONDS * SECOND })

export const APP: ImageIdentity = { namespace: "team", name: "app", uid: "uid-app" }
export const RIVAL: ImageIdentity = { namespace: "rivals", name: "app", uid: "uid-rival" }

export const taskOf = (tag: string, more: Partial<CopyTask> = {}): CopyTask => ({
  image: APP,
  generation: 1,
  source: endpoint("source.test", "app"),
  digest: DIGEST,
  platforms: [],
  destinationDigest: more.digest ?? DIGEST,
  referrers: false,
  destination: endpoint("dest.test", "mirror/app"),
  tag,
  onlyIfMissing: false,
  ...more
})

const anonymous = (task: CopyTask) => ({
  source: { repository: task.source.repository, tlsVerify: true, credential: Option.none() },
  destination: { repository: task.destination.repository, tlsVerify: true, credential: Option.none() },
  warnings: []
})

export const preparedFor = (task: CopyTask): Prepared => ({ access: anonymous(task), parts: [] })

/** A Job in the cluster. With a condition the Job has ended. */
export const jobFor = (task: CopyTask, uid: string, condition?: "Complete" | "Failed"): JobObject => {
  const { metadata } = jobOf(task, anonymous(task), options, "0badcafe")
  return {
    metadata: { ...metadata, uid },
    ...(condition === undefined ? {} : { status: { conditions: [{ type: condition, status: "True" }] } })
  }
}

/** A pod of a Job. By default the pod waits for a node. */
export const podFor = (tag: string, jobUid: string, more: Partial<JobPod> = {}): JobPod => ({
  name: `pod-of-${jobUid}`,
  uid: `pod-of-${jobUid}`,
  job: { name: jobName(taskOf(tag)), uid: jobUid },
  hasBegun: false,
  exitCode: undefined,
  hasEnded: false,
  obstacle: undefined,
  ...more
})

/** `Create v1`, `Create v1 despite pod-of-uid-1`, `Delete uid-1`, `Announce team/app`. */
const wordsOf = (command: Command, tagOf: (name: string) => string): string => {
  switch (command._tag) {
    case "Announce":
      return `Announce ${command.image.namespace}/${command.image.name}`
    case "Settle":
      return `Settle ${command.id.replace(/^.*-/u, "")}`
    case "Delete":
    case "CheckPods":
      return `${command._tag} ${command.uid}`
    case "Tidy":
      return `${command.chore} ${command.uid}`
    case "Create": {
      const overdue = command.overdue.length === 0 ? "" : ` despite ${command.overdue.join()}`
      return `Create ${tagOf(command.name)}${overdue}`
    }
    case "Prepare":
    case "Check":
    case "MakeSecret":
    case "Inspect":
      return `${command._tag} ${tagOf(command.name)}`
  }
}

/** `Waiting: waiting for …`, `Running`, `Failed: JobNotCreated`. */
export const stateIn = ({ state }: Copy): string => {
  if (state._tag === "Waiting") return `Waiting: ${state.reason}`
  return state._tag === "Failed" ? `Failed: ${state.reason}` : state._tag
}

export const worldOf = (limits: Partial<Limits> = {}) => {
  let board: Board = emptyBoardOf({ total: 10, perRegistry: 4, ...limits })
  let now = NOW
  const tags = new Map<string, string>()
  const tagOf = (name: string): string => tags.get(name) ?? name
  /** Passes an event to the board, and gives the commands. */
  const commandsOf = (event: Event): ReadonlyArray<Command> => {
    const next = step(board, event, now)
    board = next.board
    return next.commands
  }
  const tell = (event: Event): ReadonlyArray<string> => commandsOf(event).map((command) => wordsOf(command, tagOf))
  const copiesAt = (tag: string, image = APP): ReadonlyArray<Copy> =>
    copiesOf(board, image).filter((copy) => copy.tag === tag)
  const copyAt = (tag: string, image = APP): Copy => {
    const [copy] = copiesAt(tag, image)
    if (copy === undefined) throw new Error(`no copy to ${tag}`)
    return copy
  }
  /** The attempt in the slot of a tag. */
  const idOf = (tag: string): string => {
    const slot = Option.getOrThrow(HashMap.get(board.slots, jobName(taskOf(tag))))
    return slot.attempt?.id ?? slot.job?.id ?? ""
  }
  const ofAttempt = (tag: string) => ({ name: jobName(taskOf(tag)), id: idOf(tag) })
  const ofJob = (tag: string, uid: string) => ({ name: jobName(taskOf(tag)), uid })
  return {
    commandsOf,
    tell,
    ofAttempt,
    ofJob,
    idOf,
    copyAt,
    copiesAt,
    board: () => board,
    pass: (millis: number) => {
      now += millis
      return board.wakeAt !== undefined && board.wakeAt <= now ? tell(Event.Tick()) : []
    },
    answer: (task: CopyTask) => answerTo(board, task)._tag,
    /** The copies of an Image to a tag, as a text. */
    state: (tag: string, image = APP) => copiesAt(tag, image).map(stateIn).join(" and "),
    start: (tag: string, more: Partial<CopyTask> = {}) => {
      tags.set(jobName(taskOf(tag)), tag)
      return tell(Event.Start({ task: taskOf(tag, more) }))
    },
    prepared: (tag: string) => tell(Event.Prepared({ ...ofAttempt(tag), prepared: preparedFor(taskOf(tag)) })),
    created: (tag: string, uid: string, id = idOf(tag)) =>
      tell(
        Event.Created({
          name: jobName(taskOf(tag)),
          id,
          job: jobFor(taskOf(tag), uid),
          access: anonymous(taskOf(tag))
        })
      ),
    /** The API server has pods of earlier Jobs, which the watch has not shown. */
    podsLeft: (tag: string, ...pods: ReadonlyArray<JobPod>) =>
      tell(Event.PodsLeft({ ...ofAttempt(tag), pods, prepared: preparedFor(taskOf(tag)) })),
    notCreated: (tag: string, isCertain: boolean, id = idOf(tag)) =>
      tell(Event.NotCreated({ name: jobName(taskOf(tag)), id, message: "no answer", isCertain })),
    seen: (tag: string, uid: string, condition?: "Complete" | "Failed", more: Partial<CopyTask> = {}) => {
      tags.set(jobName(taskOf(tag)), tag)
      return tell(Event.Seen({ job: jobFor(taskOf(tag, more), uid, condition) }))
    },
    /** The watch of pods shows a pod of a Job. */
    pod: (tag: string, jobUid: string, more: Partial<JobPod> = {}) =>
      tell(Event.PodSeen({ pod: podFor(tag, jobUid, more) })),
    podGone: (tag: string, jobUid: string) => tell(Event.PodGone(ofJob(tag, `pod-of-${jobUid}`))),
    /** All pods are listed. */
    podsListed: (...pods: ReadonlyArray<JobPod>) => tell(Event.PodsRelisted({ pods })),
    /** The API server lists the pods of a Job. `refusal` is the reason for the lack of pods. */
    podsChecked: (tag: string, uid: string, pods: ReadonlyArray<JobPod> = [], refusal?: string) =>
      tell(Event.PodsChecked({ ...ofJob(tag, uid), pods, refusal })),
    gone: (tag: string, uid: string) => tell(Event.Gone(ofJob(tag, uid))),
    checked: (tag: string, of: string, job: JobObject | undefined) =>
      tell(Event.Checked({ name: jobName(taskOf(tag)), of, job })),
    cancel: (tag: string, image = APP) => tell(Event.Cancel({ copy: copyAt(tag, image) })),
    release: (tag: string, image = APP) => tell(Event.Release({ copy: copyAt(tag, image) })),
    /** Starts a copy, and shows its running Job by the watch. */
    run: (tag: string, uid: string, more: Partial<CopyTask> = {}) => {
      tags.set(jobName(taskOf(tag)), tag)
      const task = taskOf(tag, more)
      tell(Event.Start({ task }))
      const of = ofAttempt(tag)
      tell(Event.Prepared({ ...of, prepared: preparedFor(task) }))
      tell(Event.Seen({ job: jobFor(task, uid) }))
      tell(Event.Created({ ...of, job: jobFor(task, uid), access: anonymous(task) }))
      tell(Event.SecretMade({ name: of.name, uid, access: anonymous(task) }))
    },
    /** Ends a running Job, and gives the result of its copy. */
    finish: (tag: string, uid: string, outcome: "Succeeded" | "Failed", more: Partial<CopyTask> = {}) => {
      const condition = outcome === "Succeeded" ? "Complete" : "Failed"
      tell(Event.Seen({ job: jobFor(taskOf(tag, more), uid, condition) }))
      const state =
        outcome === "Succeeded"
          ? ({ _tag: "Succeeded", at: now } as const)
          : ({ _tag: "Failed", at: now, reason: "CopyFailed", message: "it broke" } as const)
      return tell(Event.Inspected({ ...ofJob(tag, uid), state }))
    }
  }
}
