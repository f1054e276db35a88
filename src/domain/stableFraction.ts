/** A share of an interval that depends on a text alone, so that objects spread over the interval and each keeps its place. */
import { Hash } from "effect"

/**
 * A number from 0 (inclusive) to 1 (exclusive), always the same for the same text. Texts that differ in one character have
 * unrelated numbers, because the hash is mixed with the finalizer of MurmurHash3.
 *
 * @example
 * stableFraction(uid) * intervalMillis
 */
export const stableFraction = (text: string): number => {
  let hash = Hash.string(text)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32
}
