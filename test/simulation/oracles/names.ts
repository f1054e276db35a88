/** What must hold in every run, by name; and what is known not to hold yet. */

export const ORACLES = {
  settled: "after the storm every Image is what it asks for, and its status says so, or says the true reason",
  neverOverwritten: "a tag that must never be overwritten is never overwritten",
  asked: "nothing is written that no Image has asked for of late",
  prompt: "a change of an Image takes effect though its registries cannot be asked",
  suspended: "a suspended Image starts no copy",
  oneWriter: "no tag is written by two copies at once",
  strays: "no Job writes a tag while a pod of an earlier Job, which is gone, still writes it",
  limits: "no more copies run at once than the limits allow",
  orphans: "nothing runs for an Image that is gone, and nothing is remembered of copies that are done",
  released: "a copy that has ended is recorded, whatever the next check finds",
  leftovers: "no Job is kept of an Image that is gone, or of a copy that is no longer needed",
  places: "places for copies come back: an Image that comes late is copied soon",
  checked: "an Image of healthy registries is checked soon, whatever other namespaces ask for",
  neighbour: "an Image of healthy registries is copied soon, whatever other namespaces ask for",
  fair: "a namespace with one copy does not wait for all copies of another that waits at the same registry",
  heldBack: "a tag that another Image's copy writes keeps no other tag back",
  idle: "when nothing happens, an Image is checked when a check is due, and not more often",
  hotLoop: "no Image is reconciled over and over",
  secrets: "no password is in a status, an Event, a log line or a Job",
  crash: "the operator does not crash, and time goes on",
  claimed: "of two Images that ask for one tag the older one has it, and the other says so",
  spread: "the checks of many Images are spread over their interval"
} as const
export type OracleName = keyof typeof ORACLES

export const isOracle = (name: string): name is OracleName => Object.hasOwn(ORACLES, name)

/**
 * Oracles that the product does not satisfy yet, with the reason. Their violations are counted, and fail no run. Take one out
 * when what it asks for is there.
 */
export const KNOWN: Readonly<Partial<Record<OracleName, string>>> = {
  leftovers: "a failed Job, and one whose copy could not be verified, is kept for a day, whatever becomes of its Image",
  strays:
    "the watch of pods may be behind that of Jobs after an interruption: a Job is created beside a pod that is not known yet",
  spread: "intervals end at whole seconds, so that the checks of Images that came together stay together"
}
