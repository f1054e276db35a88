/** The oracles: rules that must hold in every run. */

export const ORACLES = {
  settled: "after the storm every Image is copied as its spec says, and its status says so, or has the true reason",
  neverOverwritten: "a tag that must never be overwritten is never overwritten",
  asked: "every written tag belongs to a recent spec of its Image",
  prompt: "a change of an Image takes effect even if its registries do not answer",
  suspended: "a suspended Image starts no copy",
  refused: "no copy writes to a destination that the policy refuses",
  oneWriter: "no tag is written by two copies at once",
  strays: "no Job writes a tag while a pod of an earlier, deleted Job still writes the tag",
  limits: "no more copies run at once than the limits allow",
  orphans: "no copy exists for a deleted Image, and no finished copy stays in the engine",
  released: "a finished copy is recorded, even if the next check fails",
  leftovers: "no Job is kept for a deleted Image, or for a copy that is no longer needed",
  places: "slots of ended copies are free: an Image that is created late is copied soon",
  checked: "an Image of healthy registries is checked soon, whatever Images other namespaces have",
  neighbour: "an Image of healthy registries is copied soon, whatever Images other namespaces have",
  fair: "a namespace with one copy does not wait for all copies of another namespace at the same registry",
  heldBack: "a tag that another Image's copy writes delays no other tag",
  idle: "when nothing happens, an Image is only checked when a check is due",
  hotLoop: "no Image is reconciled in a loop",
  secrets: "no password is in a status, an Event, a log line or a Job",
  crash: "the operator does not crash, and does not wait for ever",
  claimed: "of two Images with one tag the older Image is Ready, and the other Image's status says why not",
  spread: "the checks of many Images are spread over their interval"
} as const
export type OracleName = keyof typeof ORACLES

export const isOracle = (name: string): name is OracleName => Object.hasOwn(ORACLES, name)
