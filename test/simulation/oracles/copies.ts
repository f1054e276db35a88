/** The oracles of running copies: their number at once, and that no two copies write one tag. */
import { destinationIn, isActive, type JobBody } from "../JobBody.ts"
import type { World } from "../World.ts"

const registryOf = (reference: string): string => reference.slice(0, reference.indexOf("/"))

interface WriterNow {
  readonly image: string
  readonly isEnding: () => boolean
}

export const watchCopies = (world: World) => {
  const { chronicle, shape } = world
  /** The running writes, by tag. */
  const writers = new Map<string, Array<WriterNow>>()
  /** By destination: the number of the direct engine's running requests. */
  const working = new Map<string, number>()
  const jobs = new Map<string, JobBody>()

  /** One copy of another namespace may run beside the copies of a namespace that has all slots of a limit above one. */
  const withinLimits = (what: string, count: number, limit: number): void => {
    const most = limit > 1 ? limit + 1 : limit
    if (count > most) chronicle.report("limits", `${count} copies at once ${what}, and ${most} are allowed`)
  }

  return {
    /** Reports that a copy writes a tag until the returned function is called. `isEnding`: whether its pod is being deleted. */
    writerBegins: (tag: string, image: string, isEnding = () => false): (() => void) => {
      // Two copies may write the same manifest by digest, or the same signature of an image with two tags.
      if (/[@:]sha256[:-]/u.test(tag)) return () => {}
      const others = writers.get(tag) ?? []
      writers.set(tag, others)
      const writer = { image, isEnding }
      if (others.length > 0) {
        const images = [...others, writer].map((other) => other.image).join(" and ")
        const oracle = others.every((other) => other.isEnding()) ? "strays" : "oneWriter"
        chronicle.report(oracle, `${tag} is written for ${images}`)
      }
      others.push(writer)
      return () => void others.splice(others.indexOf(writer), 1)
    },

    /** Reports that a copy of the direct engine works until the returned function is called. */
    copyWorks: (destination: string): (() => void) => {
      working.set(destination, (working.get(destination) ?? 0) + 1)
      withinLimits("in this process", working.size, shape.limits.total)
      const registry = registryOf(destination)
      const there = [...working.keys()].filter((other) => registryOf(other) === registry)
      withinLimits(`to ${registry}`, there.length, shape.limits.perRegistry)
      return () => {
        const left = (working.get(destination) ?? 0) - 1
        if (left <= 0) working.delete(destination)
        else working.set(destination, left)
      }
    },

    /** Reports that Skopeo has ended in a pod of a Job. Other containers of the pod are not a copy. */
    copyEnds: ({ metadata }: JobBody): void => {
      if (jobs.get(metadata.name)?.metadata.uid === metadata.uid) jobs.delete(metadata.name)
    },

    jobChanged: (type: "ADDED" | "MODIFIED" | "DELETED", job: JobBody): void => {
      if (type === "DELETED" || !isActive(job)) jobs.delete(job.metadata.name)
      if (type !== "ADDED") return
      jobs.set(job.metadata.name, job)
      withinLimits("by Jobs", jobs.size, shape.limits.total)
      const registry = registryOf(destinationIn(job))
      const there = [...jobs.values()].filter((other) => registryOf(destinationIn(other)) === registry)
      withinLimits(`by Jobs to ${registry}`, there.length, shape.limits.perRegistry)
    }
  }
}
