/** Which Images a step announces: those whose copies look different after it. */
import { type ImageKey, keyOf } from "../../../domain/ImageKey.ts"
import { isNameFor, uidOf } from "../Job.ts"
import { Command, type Event } from "../JobEvents.ts"
import { type Board, slotOf } from "./Board.ts"
import type { Draft } from "./Draft.ts"
import { cancelledIn, copiesIn, type Slot } from "./Slot.ts"

export const announce = (draft: Draft, event: Event): void => {
  const { announced, before, board, commands } = draft
  for (const [name, old] of before) {
    const slot = slotOf(board, name)
    const [was, is] = [looksOf(board, old), looksOf(board, slot)]
    for (const [key, { image, look }] of [...was, ...is]) {
      const isSame = was.get(key)?.look === look && is.get(key)?.look === look
      if (!isSame && key !== informedBy(event, name, slot)) announced.set(key, image)
    }
    // The cancelled copy is gone, so its Image can start another copy to this destination.
    const cancelled = cancelledIn(slot)
    for (const { image } of cancelledIn(old).filter((task) => !cancelled.includes(task))) {
      announced.set(keyOf(image), image)
    }
  }
  for (const { name, namespace } of announced.values()) commands.push(Command.Announce({ image: { namespace, name } }))
}

/** The Image whose own request made the change. A started copy that has to wait is announced nevertheless. */
const informedBy = (event: Event, name: string, { attempt }: Slot): string | undefined => {
  if (event._tag === "Release") return isNameFor(name, event.copy) ? keyOf(event.copy.image) : undefined
  const isBegun = event._tag === "Start" && isNameFor(name, event.task) && attempt?._tag !== "Waiting"
  return isBegun ? keyOf(event.task.image) : undefined
}

/**
 * The copies in a slot as each Image sees them. A copy looks the same while it is prepared, and after its attempt has got its
 * Job.
 */
const looksOf = (
  board: Board,
  slot: Slot
): ReadonlyMap<string, { readonly image: ImageKey; readonly look: string }> => {
  const looks = new Map<string, { readonly image: ImageKey; readonly look: string }>()
  for (const { id, image, state } of copiesIn(board, slot)) {
    const attempt = slot.job !== undefined && uidOf(slot.job.job) === id ? (slot.job.id ?? id) : id
    const look = `${looks.get(keyOf(image))?.look ?? ""}${JSON.stringify([attempt, state._tag === "Running" ? state._tag : state])}`
    looks.set(keyOf(image), { image, look })
  }
  return looks
}
