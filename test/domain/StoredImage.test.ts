import { assert, describe, it } from "@effect/vitest"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { Schema } from "effect"
import { readStoredImage } from "../../src/domain/StoredImage.ts"

const collectGarbage = (): void => {
  setFlagsFromString("--expose-gc")
  runInNewContext("gc()")
}

const metadata = {
  namespace: "team",
  name: "app",
  uid: "uid-1",
  generation: 3,
  resourceVersion: "12",
  creationTimestamp: "1970-01-01T00:00:09Z"
}
const spec = { source: { name: "quay.io/app", version: "v1.x" }, destination: { name: "mirror/app" } }
const status = { observedGeneration: 2, tags: "1/2" }

const head = { namespace: "team", name: "app", uid: "uid-1", generation: 3, createdAt: 9_000 }

describe("an Image as the API server has it", () => {
  it("a stored Image is decoded and parsed once, with the version for writes of its status", () => {
    const image = readStoredImage({ metadata, spec, status }, { destinationRegistry: "registry.corp" })
    assert(image._tag === "Readable")
    const { destination, mirror, notices, source, spec: decoded, ...rest } = image
    const stored = { ...head, status, resourceVersion: "12", isDeleting: false, destinationTag: undefined }
    assert.deepStrictEqual(rest, { _tag: "Readable", ...stored })
    assert.deepStrictEqual([source, destination], ["quay.io/app", "registry.corp/mirror/app"])
    assert.deepStrictEqual(notices, [])
    assert.strictEqual(decoded.frequency, "5m")
    assert.deepStrictEqual(mirror.destination.repository, { registry: "registry.corp", path: "mirror/app" })
  })

  it("a stored Image caches its parsed spec while there is memory, and parses it again later", async () => {
    const tags = { include: ["^v1[.][0-9]+$"] }
    const image = readStoredImage({ metadata, spec: { ...spec, tags } })
    assert(image._tag === "Readable")
    const parsed = new WeakRef(image.mirror)
    assert.strictEqual(image.mirror, parsed.deref(), "it is parsed once")
    // The target of a WeakRef stays in memory until the end of the task.
    await new Promise((resolve) => setImmediate(resolve))
    collectGarbage()
    assert.isUndefined(parsed.deref())
    const { tags: listed } = image.mirror
    assert(listed._tag === "Listed")
    assert.isTrue(listed.filter.include[0]?.matches("v1.5"))
  })

  it("a stored Image says whether it is being deleted", () => {
    const deletionTimestamp = "2026-01-01T00:00:00Z"
    assert.isTrue(readStoredImage({ metadata: { ...metadata, deletionTimestamp }, spec }).isDeleting)
  })

  for (const { fields, title, written } of [
    { title: "has no spec", written: {}, fields: ["spec"] },
    { title: "has a spec of another kind", written: { spec: "text" }, fields: ["spec"] },
    {
      title: "lacks a field",
      written: { spec: { source: spec.source } },
      fields: ["spec.destination"]
    },
    {
      title: "has texts that cannot be parsed",
      written: { spec: { source: { name: "Quay.io/App", version: "no tag" }, destination: spec.destination } },
      fields: ["spec.source.name", "spec.source.version"]
    }
  ]) {
    it(`a stored Image keeps its header and all problems when it ${title}`, () => {
      const image = readStoredImage({ metadata, status, ...written })
      assert(image._tag === "Unreadable")
      const { problems, ...rest } = image
      assert.deepStrictEqual(rest, {
        _tag: "Unreadable",
        ...head,
        status,
        notices: [],
        resourceVersion: "12",
        isDeleting: false
      })
      assert.deepStrictEqual(
        problems.map(({ field }) => field),
        fields
      )
    })
  }

  it.prop(
    "a stored Image has a value for any spec and status",
    { spec: Schema.Json, status: Schema.Json },
    ({ spec, status }) => {
      const read = readStoredImage({ metadata, spec, status })
      assert.strictEqual(`${read.namespace}/${read.name} ${read.uid} ${read.generation}`, "team/app uid-1 3")
      assert.strictEqual(read._tag, "Unreadable")
    }
  )
})
