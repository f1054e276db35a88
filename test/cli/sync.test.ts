/** `sync` as users run it: real files, and registries over HTTP on loopback. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { parse } from "yaml"
import { SyncResult } from "../../src/cli/SyncResult.ts"
import { RegistryStore } from "../../src/registry/memory/RegistryStore.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { file, run } from "../support/commandLine.ts"
import { manifest } from "../support/manifest.ts"
import { itOnSockets } from "../support/passTimeWhenIdle.ts"
import { pathOf } from "../support/ScriptedServer.ts"
import { startRegistry } from "../../src/registry/memory/EmbeddedRegistry.ts"

describe("skopeo-operator sync", () => {
  it.live(
    "sync copies a tag, a pattern and a Recurrent Image, prints a table, and copies nothing the second time",
    () =>
      Effect.gen(function* () {
        const [source, destination] = [yield* startRegistry(), yield* startRegistry()]
        const digests = ["v2.13.0", "v2.13.1", "v2.14.0"].map((tag) =>
          pushSampleImage(source.store, "argocd", tag, tag)
        )
        pushSampleImage(source.store, "nginx", "3.7-alpine", "nginx")
        const images = yield* file(
          "images.yaml",
          [
            manifest("argocd", `${source.host}/argocd`, "v2.13.x", `${destination.host}/mirror/argocd`),
            manifest("nginx", `${source.host}/nginx`, "3.7-alpine", `${destination.host}/nginx`, "  mode: Recurrent")
          ].join("\n---\n")
        )
        const first = yield* run(["sync", "-f", images])
        assert.strictEqual(first.code, 0, first.stderr)
        assert.match(first.stdout, /^argocd +2\/2 +True +Copied +2 of 2 tags are copied$/mu)
        assert.match(first.stdout, /^nginx +1\/1 +True/mu)
        assert.match(first.stderr, /^argocd: copied v2\.13\.1 \(sha256:/mu)
        assert.deepStrictEqual(destination.store.tags("mirror/argocd"), ["v2.13.0", "v2.13.1"])
        assert.strictEqual(destination.store.manifest("mirror/argocd", "v2.13.1")?.digest, digests[1])

        assert.match(first.stdout, /^copied 3; 39\.0 kB in \d+\.\d s$/mu)

        const before = destination.requests.length
        const second = yield* run(["sync", "-f", images])
        assert.strictEqual(second.code, 0)
        assert.match(second.stdout, /^already there 3; nothing sent in \d+\.\d s$/mu)
        const later = destination.requests.slice(before)
        assert.deepStrictEqual(
          later.filter((request) => !/^(GET|HEAD) /u.test(request)),
          []
        )
      })
  )

  it.live("sync gives a tag that two Images of a file ask for to the first, and the second names the first", () =>
    Effect.gen(function* () {
      const [source, destination] = [yield* startRegistry(), yield* startRegistry()]
      const digest = pushSampleImage(source.store, "one", "1.0.0", "one")
      pushSampleImage(source.store, "two", "1.0.0", "two")
      const images = yield* file(
        "images.yaml",
        [
          manifest("first", `${source.host}/one`, "1.0.0", `${destination.host}/app`),
          manifest("second", `${source.host}/two`, "1.0.0", `${destination.host}/app`)
        ].join("\n---\n")
      )
      const { code, stdout } = yield* run(["sync", "-f", images])
      assert.strictEqual(code, 2)
      assert.match(stdout, /^first +1\/1 +True +Copied/mu)
      assert.match(
        stdout,
        /^second +0\/1 +False +DestinationClaimed .*1\.0\.0 is claimed by the older Image default\/first/mu
      )
      assert.strictEqual(destination.store.manifest("app", "1.0.0")?.digest, digest)
    })
  )

  it.live("sync refuses the Images that the policy of --policy does not accept, and copies the others", () =>
    Effect.gen(function* () {
      const [source, destination] = [yield* startRegistry(), yield* startRegistry()]
      pushSampleImage(source.store, "one", "1.0.0", "one")
      pushSampleImage(source.store, "two", "1.0.0", "two")
      const images = yield* file(
        "images.yaml",
        [
          manifest("good", `${source.host}/one`, "1.0.0", `${destination.host}/default/one`),
          manifest("bad", `${source.host}/two`, "1.0.0", `${destination.host}/two`)
        ].join("\n---\n")
      )
      const policy = yield* file(
        "policy.yaml",
        `rules:
- name: own
  destinations: ["${destination.host}/$(namespace)"]
  allow: [privateHosts, unverifiedTls]`
      )
      for (const [args, env] of [
        [["--policy", policy], {}],
        [[], { POLICY_FILE: policy }],
        [["--policy", policy], { POLICY_FILE: "/missing.yaml" }]
      ] as const) {
        const { code, stdout } = yield* run(["sync", "-f", images, ...args], env)
        assert.strictEqual(code, 2)
        assert.match(stdout, /^good +1\/1 +True +Copied/mu)
        assert.match(stdout, /^bad +- +False +PolicyRefused .*the nearest rule is own: its destinations/mu)
      }
      assert.deepStrictEqual(destination.store.tags("default/one"), ["1.0.0"])
      assert.deepStrictEqual(destination.store.tags("two") ?? [], [])
    })
  )

  it.live("a policy that cannot be used is a mistake in the usage, with the flag or the variable and the line", () =>
    Effect.gen(function* () {
      const images = yield* file("images.yaml", manifest("app", "quay.io/app", "1.0.0", "dest.test/app"))
      const broken = yield* file("policy.yaml", "rules:\n- { name: a, sources: [nginx] }")
      for (const [args, env, message] of [
        [["--policy", broken], {}, `--policy: ${broken}:2: rules[0].sources[0]: "nginx" names no registry`],
        [["--policy", "/missing.yaml"], {}, "--policy: /missing.yaml cannot be read (NotFound)"],
        [[], { POLICY_FILE: broken }, `POLICY_FILE: ${broken}:2: rules[0].sources[0]: "nginx" names no registry`]
      ] as const) {
        const { code, stderr, stdout } = yield* run(["sync", "-f", images, ...args], env)
        assert.strictEqual(code, 2, stderr)
        assert.include(stderr, `skopeo-operator: ${message}`)
        assert.strictEqual(stdout, "")
      }
    })
  )

  it.live("sync ends although an Image is suspended, and copies none of its tags", () =>
    Effect.gen(function* () {
      const [source, destination] = [yield* startRegistry(), yield* startRegistry()]
      pushSampleImage(source.store, "app", "1.0.0", "app")
      const images = yield* file(
        "images.yaml",
        [
          manifest("resting", `${source.host}/app`, "1.0.0", `${destination.host}/resting`, "  suspend: true"),
          manifest("copied", `${source.host}/app`, "1.0.0", `${destination.host}/copied`)
        ].join("\n---\n")
      )
      const { code, stdout } = yield* run(["sync", "-f", images])
      assert.strictEqual(code, 1)
      assert.match(stdout, /^resting +- +- +Suspended +spec\.suspend is set; the Image is not checked$/mu)
      assert.match(stdout, /^copied +1\/1 +True/mu)
      assert.isUndefined(destination.store.tags("resting"))
    })
  )

  itOnSockets(
    "sync copies the other tags of a pattern while another Image's copy writes one tag, and ends after that copy",
    () =>
      Effect.gen(function* () {
        const store = new RegistryStore()
        const source = yield* startRegistry()
        const tags = ["1.0.1", "1.0.2", "1.0.3"]
        const digests = tags.map((tag) => pushSampleImage(source.store, "app", tag, tag))
        /** The write of 1.0.2 is answered after the write of 1.0.3 has arrived. */
        let hasCome = false
        let answer = () => {}
        const destination = yield* startRegistry({
          store,
          intercept: (request, response) => {
            const written = request.method === "PUT" ? pathOf(request) : ""
            if (written === "/v2/app/manifests/1.0.3") {
              hasCome = true
              answer()
            }
            if (written !== "/v2/app/manifests/1.0.2") return false
            const chunks: Array<Uint8Array> = []
            request.on("data", (chunk: Uint8Array) => void chunks.push(chunk))
            request.on("end", () => {
              answer = () => {
                store.putManifest("app", "1.0.2", Buffer.concat(chunks), request.headers["content-type"] ?? "")
                response.writeHead(201).end()
              }
              if (hasCome) answer()
            })
            return true
          }
        })
        const images = yield* file(
          "images.yaml",
          [
            manifest("one", `${source.host}/app`, "1.0.2", `${destination.host}/app`),
            manifest("all", `${source.host}/app`, "1.0.x", `${destination.host}/app`)
          ].join("\n---\n")
        )
        const { code, stderr, stdout } = yield* run(["sync", "-f", images])
        assert.strictEqual(code, 0, stdout + stderr)
        assert.match(stdout, /^all +3\/3 +True/mu)
        assert.deepStrictEqual(
          tags.map((tag) => destination.store.manifest("app", tag)?.digest),
          digests
        )
      })
  )

  it.live("sync with --output json prints one JSON document, and nothing else on standard output", () =>
    Effect.gen(function* () {
      const [source, destination] = [yield* startRegistry(), yield* startRegistry()]
      const digest = pushSampleImage(source.store, "app", "1.0.0", "app")
      const images = yield* file(
        "images.yaml",
        [
          manifest("good", `${source.host}/app`, "1.0.0", `${destination.host}/app`),
          manifest("none", `${source.host}/app`, "2.x.x", `${destination.host}/app`)
        ].join("\n---\n")
      )
      const { code, stderr, stdout } = yield* run(["sync", "-f", images, "--output", "json"])
      assert.strictEqual(code, 1)
      const document = Schema.decodeUnknownSync(SyncResult)(JSON.parse(stdout), { onExcessProperty: "error" })
      const { durationSeconds, images: results, problems, totals, ...rest } = document
      assert.deepStrictEqual(rest, { apiVersion: "cli.skopeo.io/v1", kind: "SyncResult", interrupted: false })
      assert.isAbove(durationSeconds, 0)
      assert.deepStrictEqual(problems, [])
      const none = {
        tagsSelected: 0,
        tagsCopied: 0,
        tagsPresent: 0,
        tagsFailed: 0,
        tagsSkipped: 0,
        tagsPending: 0,
        bytes: 0,
        bytesSent: 0,
        bytesPresent: 0
      }
      const copied = { ...none, tagsSelected: 1, tagsCopied: 1, bytes: 12_997, bytesSent: 12_997 }
      assert.deepStrictEqual(totals, { images: 2, imagesReady: 1, ...copied })
      const common = { namespace: "default", source: `${source.host}/app`, destination: `${destination.host}/app` }
      const [first, second] = results
      assert.deepStrictEqual(second, {
        ...common,
        name: "none",
        ready: false,
        stalled: false,
        suspended: false,
        reason: "NoTagMatches",
        message: `no tag matches 2.x.x among the 1 of ${source.host}/app`,
        ...none,
        tags: []
      })
      const { tags = [], ...good } = first ?? {}
      assert.deepStrictEqual(good, {
        ...common,
        name: "good",
        ready: true,
        stalled: false,
        suspended: false,
        reason: "Copied",
        message: "1 of 1 tag is copied",
        ...copied
      })
      const [{ seconds = 0, ...tag } = { seconds: 0 }] = tags
      assert.isAbove(seconds, 0)
      assert.deepStrictEqual(tag, {
        tag: "1.0.0",
        action: "copied",
        digest,
        bytes: 12_997,
        bytesSent: 12_997,
        bytesPresent: 0
      })
      assert.notInclude(stderr, "━", "no terminal, no bars")
      assert.notInclude(stderr, "\u001B")
    })
  )

  it.live("sync says of each failed tag why, in the table, in the wide table and in the document", () =>
    Effect.gen(function* () {
      const [source, destination] = [yield* startRegistry(), yield* startRegistry()]
      pushSampleImage(source.store, "app", "1.0.0", "app")
      const tags = Array.from({ length: 25 }, (_, index) => `1.1.${index}`)
      for (const tag of tags) pushSampleImage(source.store, "app", tag, tag, { platforms: ["linux/arm64"] })
      const images = yield* file(
        "images.yaml",
        manifest("app", `${source.host}/app`, "1.x.x", `${destination.host}/app`, "  platforms: [linux/amd64]")
      )
      const text = yield* run(["sync", "-f", images])
      assert.strictEqual(text.code, 1)
      assert.match(text.stdout, /^copied 1, failed 25; /mu)
      const wide = yield* run(["sync", "-f", images, "-o", "wide"])
      assert.match(wide.stdout, /^app +1\.0\.0 +present +- +- +- +-$/mu)
      for (const tag of tags) {
        const why = "has no linux/amd64; it has linux/arm64; change spec.platforms"
        const row = (before: string) => new RegExp(`^app +${tag.replaceAll(".", "\\.")} ${before}.*${why}$`, "mu")
        assert.match(text.stdout, row(""))
        assert.match(wide.stdout, row(" *failed"))
      }
      const { stdout } = yield* run(["sync", "-f", images, "-o", "yaml"])
      const { totals } = Schema.decodeUnknownSync(SyncResult)(parse(stdout))
      assert.deepInclude(totals, { tagsSelected: 26, tagsPresent: 1, tagsFailed: 25 })
      const names = yield* run(["sync", "-f", images, "-o", "name"])
      assert.strictEqual(names.stdout, `${destination.host}/app:1.0.0\n`)
    })
  )

  it.live("sync ends with 1 and the cause if a registry fails, and copies from the other registries", () =>
    Effect.gen(function* () {
      const [source, destination] = [yield* startRegistry(), yield* startRegistry()]
      const html = yield* startRegistry({
        intercept: (_request, response) => {
          response.writeHead(200, { "content-type": "text/html" }).end("<html>a wiki</html>")
          return true
        }
      })
      const locked = yield* startRegistry({
        intercept: (_request, response) => {
          response.writeHead(401, { "www-authenticate": 'Basic realm="locked"' }).end("{}")
          return true
        }
      })
      pushSampleImage(source.store, "app", "1.0.0", "app")
      const images = yield* file(
        "images.yaml",
        [
          manifest("html", `${html.host}/app`, "1.x", `${destination.host}/html`),
          manifest("locked", `${locked.host}/app`, "1.0.0", `${destination.host}/locked`),
          manifest("refused", `${source.host}/app`, "1.0.0", `${locked.host}/app`),
          manifest("missing", `${source.host}/app`, "9.9.9", `${destination.host}/missing`),
          manifest("good", `${source.host}/app`, "1.0.0", `${destination.host}/app`)
        ].join("\n---\n")
      )
      const { code, stdout } = yield* run(["sync", "-f", images], {
        CREDS_DESTINATION_USERNAME: "robot",
        CREDS_DESTINATION_PASSWORD: "hunter2",
        CREDS_DESTINATION_REGISTRIES: locked.host,
        DISABLE_DEST_TLS_VERIFICATION: "true"
      })
      assert.strictEqual(code, 1)
      assert.match(stdout, /^html .* False +NotARegistry .*text\/html.*is 127\.0\.0\.1:\d+ a container registry\?$/mu)
      assert.match(
        stdout,
        /^locked .* False +AuthenticationFailed .*no credentials for this registry are configured$/mu
      )
      assert.match(stdout, /^refused .* False +AuthenticationFailed .*the credentials for this registry were refused/mu)
      assert.match(stdout, /^missing .* False +SourceNotFound .*"9\.9\.9" is not in/mu)
      assert.match(stdout, /^good +1\/1 +True/mu)
      assert.notInclude(stdout, "hunter2")
    })
  )

  it.live("sync answers an invalid command line with help, not with a stack", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* run(["sync"])
      assert.strictEqual(code, 2)
      assert.notMatch(stderr + stdout, /\bat .*\.ts:\d+/u)
      assert.match(stderr + stdout, /--file/u)
    })
  )
})

describe("skopeo-operator", () => {
  it.live("skopeo-operator prints the CRD and the version", () =>
    Effect.gen(function* () {
      const crd = yield* run(["crd"])
      assert.strictEqual(crd.code, 0)
      assert.match(crd.stdout, /^kind: CustomResourceDefinition$/mu)
      const version = yield* run(["--version"])
      assert.match(version.stdout, /\d+\.\d+\.\d+/u)
    })
  )

  it.live("skopeo-operator names a variable with an invalid value", () =>
    Effect.gen(function* () {
      const images = yield* file("images.yaml", manifest("a", "a/b", "1", "c/d"))
      const { code, stderr } = yield* run(["sync", "-f", images], { DISABLE_SRC_TLS_VERIFICATION: "perhaps" })
      assert.strictEqual(code, 2)
      assert.match(
        stderr,
        /^skopeo-operator: DISABLE_SRC_TLS_VERIFICATION: "perhaps" is neither true nor false; write true or false$/mu
      )
    })
  )
})
