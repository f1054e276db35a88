/** Questions that the board answers without a step. Pure. */
import type { Copy, CopyTask } from "../../../domain/Copy.ts"
import { type ImageKey, keyOf } from "../../../domain/ImageKey.ts"
import { type Board, namesIn, slotNameOf, slotOf } from "./Board.ts"
import { copiesIn, isReplaceable } from "./Slot.ts"

/**
 * The answer to a request for a copy.
 *
 * - `Started`: the request starts the copy
 * - `UnderWay`: the Image already has a copy to this destination
 * - `Busy`: another Image has a copy to this destination
 */
export type Answer =
  { readonly _tag: "Started" } | { readonly _tag: "UnderWay" } | { readonly _tag: "Busy"; readonly other: CopyTask }

export const answerTo = (board: Board, task: CopyTask): Answer => {
  const { attempt, job } = slotOf(board, slotNameOf(board, task))
  // A copy that ended after its Image was checked is not recorded yet. Its destination is not free.
  const held = [...(job === undefined || isReplaceable(job) ? [] : [job.task]), ...(attempt ? [attempt.task] : [])]
  const [other] = held
  if (other === undefined) return { _tag: "Started" }
  return held.some(({ image }) => image.uid === task.image.uid) ? { _tag: "UnderWay" } : { _tag: "Busy", other }
}

/** The copies of an Image that have not ended, or have ended and are not released. */
export const copiesOf = (board: Board, image: ImageKey): ReadonlyArray<Copy> =>
  namesIn(board.byImage, keyOf(image)).flatMap((name) =>
    copiesIn(board, slotOf(board, name)).filter((copy) => keyOf(copy.image) === keyOf(image))
  )
