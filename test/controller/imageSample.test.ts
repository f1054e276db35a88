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
const ready = (status: string) => ({
  type: "Ready",
  status,
  reason: "X",
  message: "",
  lastTransitionTime: "2026-03-01T00:00:00Z"
})

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
        tags: { copied: 3, failed: 1, waiting: 2 },
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
})
