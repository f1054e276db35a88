/** Copies with the fields that a test needs. */
import type { Copy, CopyState } from "../../src/domain/Copy.ts"
import { endpoint } from "./endpoints.ts"

const DIGEST = `sha256:${"a".repeat(64)}`

/** A copy of the Image `team/app` in a state. The id is the tag too. */
export const copyOf = (id: string, state: CopyState, more: Partial<Copy> = {}): Copy => ({
  id,
  image: { namespace: "team", name: "app", uid: "1" },
  generation: 1,
  source: endpoint("source.test", "app"),
  digest: DIGEST,
  destinationDigest: DIGEST,
  platforms: [],
  referrers: false,
  onlyIfMissing: false,
  destination: endpoint("dest.test", "app"),
  tag: id,
  state,
  ...more
})
