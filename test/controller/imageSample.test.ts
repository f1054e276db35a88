/** What the metrics say of an Image. */
import { assert, describe, it } from "@effect/vitest"
import { imageSample } from "../../src/controller/imageSample.ts"
import { readStoredImage } from "../../src/domain/StoredImage.ts"

const NOW = Date.parse("2026-03-01T00:10:00Z")

const sampleOf = (spec: Readonly<Record<string, unknown>>, status: unknown) =>
  imageSample(
    readStoredImage({
      metadata: {
        namespace: "team",
        name: "app",
        uid: "1",
        resourceVersion: "1",
        creationTimestamp: "2026-03-01T00:09:00Z"
      } as Readonly<Record<string, string>>,
      spec: {
        source: { name: "source.test/app", version: "1.x" },
        destination: { name: "dest.test/app" },
        mode: "Recurrent",
        ...spec
      },
      status
    }),
    NOW
  )

const failure = {
  tag: "1.1",
  digest: "",
  copy: "1",
  attempts: 1,
  nextAttemptAt: "2026-03-01T00:20:00Z",
  reason: "CopyFailed",
  message: "x"
}
const ready = (status: string, reason = "CopyFailed") => ({
  type: "Ready",
  status,
  reason,
  message: "",
  observedGeneration: 0,
  lastTransitionTime: "2026-03-01T00:00:00Z"
})
const second = (text: string): number => Date.parse(text) / 1_000

describe("imageSample", () => {
  it("counts copied, failed and waiting tags, and the time since the last check", () => {
    assert.deepStrictEqual(
      sampleOf(
        {},
        { tags: "3/6", failures: [failure], conditions: [ready("False")], lastCheckedAt: "2026-03-01T00:00:00Z" }
      ),
      {
        namespace: "team",
        name: "app",
        ready: "False",
        reason: "CopyFailed",
        isStalled: false,
        isSuspended: false,
        isRateLimited: false,
        tags: { copied: 3, failed: 1, waiting: 2 },
        freshness: { lastInSync: second("2026-03-01T00:09:00Z"), intervalSeconds: 300, isOverdue: false },
        checkedSeconds: 600
      }
    )
  })

  it("an Image without a status has no tags, and the time since its creation", () => {
    const { checkedSeconds, ready, tags } = sampleOf({}, undefined)
    assert.deepStrictEqual(
      { checkedSeconds, ready, tags },
      { checkedSeconds: 60, ready: "Unknown", tags: { copied: 0, failed: 0, waiting: 0 } }
    )
  })

  it.each([
    ["a suspended Image", { suspend: true }],
    [
      "a tag that is copied once",
      {
        mode: "OneShot",
        source: { name: "source.test/app", version: "1.0" },
        destination: { name: "dest.test/app", version: "1.0" }
      }
    ],
    ["an unreadable Image", { mode: "Sometimes" }]
  ])("%s is not checked regularly and has no time since its last check", (_, spec) => {
    const { checkedSeconds } = sampleOf(spec, { conditions: [ready("True")], lastCheckedAt: "2026-03-01T00:00:00Z" })
    assert.isUndefined(checkedSeconds)
  })

  it("an Image is fresh since its destination was complete, not since its check", () => {
    const { freshness } = sampleOf(
      { frequency: "1h" },
      {
        conditions: [ready("False")],
        lastCheckedAt: "2026-03-01T00:09:59Z",
        lastInSyncAt: "2026-02-28T22:10:00Z"
      }
    )
    assert.deepStrictEqual(freshness, {
      lastInSync: second("2026-02-28T22:10:00Z"),
      intervalSeconds: 3_600,
      isOverdue: true
    })
  })

  it("the status of an earlier release says that a ready Image was in sync at its check", () => {
    const { freshness } = sampleOf({}, { conditions: [ready("True", "Copied")], lastCheckedAt: "2026-03-01T00:05:00Z" })
    assert.strictEqual(freshness?.lastInSync, second("2026-03-01T00:05:00Z"))
  })

  const ONE_TAG = {
    mode: "OneShot",
    source: { name: "source.test/app", version: "1.0" },
    destination: { name: "dest.test/app", version: "1.0" }
  }

  it("a OneShot Image of one tag ages until its copy is done", () => {
    const failed = sampleOf(ONE_TAG, { conditions: [ready("False")] })
    assert.strictEqual(failed.freshness?.lastInSync, second("2026-03-01T00:09:00Z"))
    assert.isUndefined(sampleOf(ONE_TAG, { conditions: [ready("True", "Copied")] }).freshness)
  })

  it("a suspended Image does not age, and counts as suspended", () => {
    const { freshness, isSuspended } = sampleOf({ suspend: true }, { conditions: [ready("False")] })
    assert.isUndefined(freshness)
    assert.isTrue(isSuspended)
  })

  it("an Image with an invalid spec ages by the default interval", () => {
    const { freshness } = sampleOf({ mode: "Sometimes" }, { conditions: [ready("False")] })
    assert.strictEqual(freshness?.intervalSeconds, 300)
  })

  it("a reason of another program is counted as Unknown", () => {
    const { reason } = sampleOf({}, { conditions: [ready("False", "Because")] })
    assert.strictEqual(reason, "Unknown")
  })

  it("an Image whose check waits for a registry's rate limit is counted", () => {
    const checkFailure = { attempts: 1, nextAttemptAt: "2026-03-01T00:20:00Z", reason: "RateLimited", message: "x" }
    assert.isTrue(sampleOf({}, { checkFailure }).isRateLimited)
    assert.isFalse(sampleOf({ suspend: true }, { checkFailure }).isRateLimited)
  })
})
