/** `plan` as users run it: real files, and registries over HTTP on loopback. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { PlanResult } from "../../src/cli/PlanResult.ts"
import { startRegistry } from "../../src/registry/memory/EmbeddedRegistry.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { file, run } from "../support/commandLine.ts"
import { manifest } from "../support/manifest.ts"

const document = (stdout: string): PlanResult =>
  Schema.decodeUnknownSync(PlanResult)(JSON.parse(stdout), { onExcessProperty: "error" })

describe("skopeo-operator plan", () => {
  it.live("plan says per tag what sync would do and why, writes nothing, and ends with 3", () =>
    Effect.gen(function* () {
      const [source, destination] = [yield* startRegistry(), yield* startRegistry()]
      const digests = new Map(
        ["1.0.0", "1.0.1", "1.0.2"].map((tag) => [tag, pushSampleImage(source.store, "app", tag, tag)])
      )
      pushSampleImage(destination.store, "app", "1.0.0", "1.0.0")
      const old = pushSampleImage(destination.store, "app", "1.0.1", "another")
      pushSampleImage(destination.store, "app", "1.0.9", "deleted at the source")
      const images = yield* file(
        "images.yaml",
        manifest("app", `${source.host}/app`, "1.0.x", `${destination.host}/app`, "  mode: Recurrent")
      )
      const json = yield* run(["plan", "-f", images, "-o", "json"])
      assert.strictEqual(json.code, 3, json.stderr)
      const { images: plans, requests, totals } = document(json.stdout)
      assert.deepStrictEqual(
        plans[0]?.tags.map(({ action, reason, tag }) => [tag, action, reason]),
        [
          ["1.0.0", "skip", "UpToDate"],
          ["1.0.1", "overwrite", "Moved"],
          ["1.0.2", "copy", "Missing"],
          ["1.0.9", "leave", "NotAtSource"]
        ]
      )
      const [, moved, missing] = plans[0]?.tags ?? []
      assert.deepStrictEqual([moved?.desiredDigest, moved?.actualDigest], [digests.get("1.0.1"), old])
      assert.deepStrictEqual([missing?.bytes, missing?.bytesToSend], [12_997, 12_997])
      assert.deepStrictEqual(totals, {
        images: 1,
        imagesFailed: 0,
        tagsToCopy: 1,
        tagsToOverwrite: 1,
        tagsUpToDate: 1,
        tagsClaimed: 0,
        tagsFailed: 0,
        tagsLeft: 1,
        bytesToSend: 25_994,
        isBytesComplete: true
      })
      const sent = [...source.requests, ...destination.requests]
      assert.deepStrictEqual(
        sent.filter((request) => !/^(GET|HEAD) /u.test(request)),
        []
      )
      assert.strictEqual(
        Object.values(requests).reduce((sum, count) => sum + count, 0),
        sent.length
      )

      const text = yield* run(["plan", "-f", images])
      assert.strictEqual(text.code, 3)
      assert.match(text.stdout, /^app +1\.0\.1 +overwrite +13\.0 kB +13\.0 kB +sha256:\w{12} +sha256:\w{12} +moved/mu)
      assert.notMatch(text.stdout, /1\.0\.0/u, "a tag that is up to date has no row")
      assert.match(
        text.stdout,
        /^1 to copy, 1 to overwrite, 1 up to date, 1 left at the destination; 26\.0 kB to send$/mu
      )
      assert.match((yield* run(["plan", "-f", images, "-o", "wide"])).stdout, /^app +1\.0\.0 +skip .* up to date$/mu)
      assert.notInclude(text.stdout, "\u001B", "no colour in a file")
      const coloured = yield* run(["plan", "-f", images, "--color", "always"])
      assert.include(coloured.stdout, "\u001B[32mcopy")
      const names = yield* run(["plan", "-f", images, "-o", "name"])
      assert.strictEqual(names.stdout, `${destination.host}/app:1.0.1\n${destination.host}/app:1.0.2\n`)
    })
  )

  it.live("plan counts a blob once that several tags need, and none that the destination has", () =>
    Effect.gen(function* () {
      const [source, destination] = [yield* startRegistry(), yield* startRegistry()]
      pushSampleImage(source.store, "app", "1.0.0", "same")
      pushSampleImage(source.store, "app", "1.0.1", "same")
      pushSampleImage(source.store, "app", "1.0.2", "there")
      pushSampleImage(destination.store, "app", "other", "there")
      const images = yield* file(
        "images.yaml",
        manifest("app", `${source.host}/app`, "1.0.x", `${destination.host}/app`)
      )
      const { stdout } = yield* run(["plan", "-f", images, "-o", "json"])
      const [first, second, third] = document(stdout).images[0]?.tags ?? []
      assert.deepStrictEqual([first?.bytes, first?.bytesToSend], [12_997, 12_997])
      assert.strictEqual(second?.bytes, 12_997)
      assert.isBelow(second?.bytesToSend ?? Infinity, 2_000, "only the manifests")
      assert.isBelow(third?.bytesToSend ?? Infinity, 2_000, "only the manifests")
    })
  )

  it.live("plan ends with 0 after a sync, and sync sends what plan has said", () =>
    Effect.gen(function* () {
      const [source, destination] = [yield* startRegistry(), yield* startRegistry()]
      for (const tag of ["1.0.0", "1.0.1"]) pushSampleImage(source.store, "app", tag, tag)
      const images = yield* file(
        "images.yaml",
        manifest("app", `${source.host}/app`, "1.0.x", `${destination.host}/app`)
      )
      const before = document((yield* run(["plan", "-f", images, "-o", "json"])).stdout)
      const synced = yield* run(["sync", "-f", images, "-o", "json"])
      assert.strictEqual(JSON.parse(synced.stdout).totals.bytesSent, before.totals.bytesToSend)
      const { code, stdout } = yield* run(["plan", "-f", images])
      assert.strictEqual(code, 0)
      assert.match(stdout, /^2 up to date\n\d+ requests were sent for this plan\n$/u)
    })
  )

  it.live("plan reads no manifest of a source that counts pulls, and says how many pulls sync needs", () =>
    Effect.gen(function* () {
      const source = yield* startRegistry({
        intercept: (_, response) => {
          response.setHeader("ratelimit-limit", "100;w=21600")
          response.setHeader("ratelimit-remaining", "76;w=21600")
          return false
        }
      })
      const destination = yield* startRegistry()
      for (const tag of ["1.0.0", "1.0.1"]) pushSampleImage(source.store, "app", tag, tag)
      const images = yield* file(
        "images.yaml",
        manifest("app", `${source.host}/app`, "1.0.x", `${destination.host}/app`)
      )
      const { stdout } = yield* run(["plan", "-f", images, "-o", "json"])
      const { pulls, totals } = document(stdout)
      assert.deepStrictEqual(pulls, [{ registry: source.host, least: 2, remaining: 76, limit: 100 }])
      assert.deepInclude(totals, { tagsToCopy: 2, bytesToSend: 0, isBytesComplete: false })
      assert.isFalse(source.requests.some((request) => request.startsWith("GET /v2/app/manifests/")))
      const text = yield* run(["plan", "-f", images])
      assert.match(text.stdout, /^2 to copy; \? to send$/mu)
      assert.match(text.stdout, /^sync needs at least 2 pulls of .*; 76 of 100 are left$/mu)
    })
  )

  it.live("plan ends with 1 if a check failed, and says which tag and why in full", () =>
    Effect.gen(function* () {
      const [source, destination] = [yield* startRegistry(), yield* startRegistry()]
      pushSampleImage(source.store, "app", "1.0.0", "app", { platforms: ["linux/arm64"] })
      const images = yield* file(
        "images.yaml",
        [
          manifest("app", `${source.host}/app`, "1.0.x", `${destination.host}/app`, "  platforms: [linux/amd64]"),
          manifest("gone", `${source.host}/app`, "9.9.9", `${destination.host}/gone`),
          manifest("none", `${source.host}/app`, "7.x.x", `${destination.host}/none`)
        ].join("\n---\n")
      )
      const { code, stdout } = yield* run(["plan", "-f", images])
      assert.strictEqual(code, 1)
      assert.match(stdout, /^app +1\.0\.0 +fail .* has no linux\/amd64; it has linux\/arm64; change spec\.platforms$/mu)
      assert.match(stdout, /^gone +9\.9\.9 +fail .*"9\.9\.9" is not in/mu)
      assert.match(stdout, /^none +NoTagMatches +no tag matches 7\.x\.x/mu)
      assert.match(stdout, /^2 failed, 1 Image without tags$/mu)
    })
  )

  it.live("plan gives a tag that two Images ask for to the first, and ends with 2 as sync does", () =>
    Effect.gen(function* () {
      const [source, destination] = [yield* startRegistry(), yield* startRegistry()]
      pushSampleImage(source.store, "one", "1.0.0", "one")
      pushSampleImage(source.store, "two", "1.0.0", "two")
      const images = yield* file(
        "images.yaml",
        [
          manifest("first", `${source.host}/one`, "1.0.0", `${destination.host}/app`),
          manifest("second", `${source.host}/two`, "1.0.0", `${destination.host}/app`),
          manifest("resting", `${source.host}/two`, "1.0.0", `${destination.host}/rest`, "  suspend: true")
        ].join("\n---\n")
      )
      const { code, stdout } = yield* run(["plan", "-f", images])
      assert.strictEqual(code, 2)
      assert.match(stdout, /^first +1\.0\.0 +copy/mu)
      assert.match(stdout, /^second +1\.0\.0 +skip .*claimed by the older Image default\/first$/mu)
      assert.match(stdout, /^resting +Suspended/mu)
    })
  )

  it.live("plan ends with 2 and sends no request if a file has a mistake, and its document has the mistake", () =>
    Effect.gen(function* () {
      const source = yield* startRegistry()
      const images = yield* file(
        "images.yaml",
        [
          manifest("app", `${source.host}/app`, "1.0.0", `${source.host}/copy`),
          manifest("bad", "a/b", "1", "c/d", "  mode: Sometimes")
        ].join("\n---\n")
      )
      const { code, stdout } = yield* run(["plan", "-f", images, "-o", "json"])
      assert.strictEqual(code, 2)
      assert.deepStrictEqual(
        document(stdout).problems.map(({ path }) => path),
        ["spec.mode"]
      )
      assert.deepStrictEqual(source.requests, [])
    })
  )
})
