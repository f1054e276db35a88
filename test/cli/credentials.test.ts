/** The sources of the commands' credentials: real files, a real helper, and the environment of a process. */
import { assert, describe, it } from "@effect/vitest"
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { Effect } from "effect"
import { requireBasic, startRegistry } from "../../src/registry/memory/EmbeddedRegistry.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { run } from "../support/commandLine.ts"
import { PROCESS_TIMEOUT, runProcess } from "../support/commandProcess.ts"
import { startProxy } from "../support/ConnectProxy.ts"
import { json, scripted } from "../support/ScriptedServer.ts"

const base64 = (text: string): string => Buffer.from(text).toString("base64")

const home = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "skopeo-operator-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const write = (path: string, content: string, mode = 0o600): string => {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, content)
  chmodSync(path, mode)
  return path
}

const login = (host: string, user: string) =>
  JSON.stringify({ auths: { [host]: { auth: base64(`${user}:pw-${user}`) } } })

const locked = Effect.fnUntraced(function* (user: string) {
  const registry = yield* startRegistry({ intercept: requireBasic(user, `pw-${user}`) })
  pushSampleImage(registry.store, "app", "1.0.0", "app")
  return registry
})

describe("credentials of the commands", { timeout: PROCESS_TIMEOUT }, () => {
  it.live("sync uses this machine's logins and helpers, even for an Image that names a Secret", () =>
    Effect.gen(function* () {
      const folder = yield* home
      const [source, destination] = [yield* locked("reader"), yield* locked("writer")]
      write(join(folder, ".config/containers/auth.json"), login(source.host, "reader"))
      write(join(folder, ".docker/config.json"), JSON.stringify({ credHelpers: { [destination.host]: "test" } }))
      write(
        join(folder, "bin/docker-credential-test"),
        '#!/bin/sh\nread -r server\nprintf \'{"ServerURL":"%s","Username":"writer","Secret":"pw-writer"}\' "$server"\n',
        0o755
      )
      const image = write(
        join(folder, "image.yaml"),
        `apiVersion: skopeo.io/v1alpha1
kind: Image
metadata: { name: app }
spec:
  source: { name: ${source.host}/app, version: 1.0.0, tlsVerify: false, credentials: { secretRef: { name: pull } } }
  destination: { name: ${destination.host}/copy, tlsVerify: false }
`
      )
      const env = { HOME: folder, PATH: `${join(folder, "bin")}:${process.env["PATH"] ?? ""}` }
      const synced = yield* runProcess(["sync", "-f", image], env)
      assert.strictEqual(synced.code, 0, synced.stdout + synced.stderr)
      assert.isDefined(destination.store.manifest("copy", "1.0.0"))
      assert.notInclude(synced.stdout + synced.stderr, "pw-")

      const without = yield* run(["tags", `${source.host}/app`, "1.x.x", "--tls-verify=false"], { HOME: "/nowhere" })
      assert.strictEqual(without.code, 1)
      assert.include(without.stderr, "no credentials for this registry are configured")
      const named = write(join(folder, "named.json"), login(source.host, "reader"))
      const tags = yield* run(["tags", `${source.host}/app`, "1.x.x", "--tls-verify=false"], {
        REGISTRY_AUTH_FILE: named
      })
      assert.strictEqual(tags.code, 0, tags.stderr)
    })
  )

  it.live("a command sends a password by plain HTTP to another machine only if REGISTRY_PLAIN_HTTP names it", () =>
    Effect.gen(function* () {
      const brought = new Set<string | undefined>()
      const admit = requireBasic("reader", "pw-reader")
      const registry = yield* startRegistry({
        intercept: (request, response) => {
          brought.add(request.headers.authorization)
          return admit(request, response)
        }
      })
      pushSampleImage(registry.store, "app", "1.0.0", "app")
      const proxy = yield* startProxy({
        place: (target) => (target === "registry.test:80" ? registry.host : undefined)
      })
      const env = {
        HOME: "/nowhere",
        HTTP_PROXY: `http://${proxy.host}`,
        CREDS_SOURCE_USERNAME: "reader",
        CREDS_SOURCE_PASSWORD: "pw-reader",
        CREDS_SOURCE_REGISTRIES: "registry.test"
      }
      const args = ["tags", "registry.test/app", "1.x.x", "--tls-verify=false"]
      const refused = yield* run(args, env)
      assert.strictEqual(refused.code, 1)
      assert.include(refused.stderr, "add registry.test to REGISTRY_PLAIN_HTTP")
      assert.deepStrictEqual([...brought], [undefined])
      const named = yield* run(args, { ...env, REGISTRY_PLAIN_HTTP: "registry.test" })
      assert.strictEqual(named.code, 0, named.stderr)
      assert.include(named.stdout, "1.0.0")
    })
  )

  it.live("an unusable file of credentials ends a command with the file and the mistake", () =>
    Effect.gen(function* () {
      const folder = yield* home
      const { host } = yield* locked("reader")
      const broken = write(join(folder, "config.json"), "hunter2")
      const tags = yield* run(["tags", `${host}/app`, "1.x.x"], { DOCKER_CONFIG: folder })
      assert.strictEqual(tags.code, 1)
      assert.include(tags.stderr, `credentials: "${broken}" is no Docker configuration`)
      assert.notInclude(tags.stderr, "hunter2")
      const helper = write(join(folder, "named.json"), JSON.stringify({ credsStore: "no-such" }))
      const missing = yield* run(["tags", `${host}/app`, "1.x.x"], { REGISTRY_AUTH_FILE: helper })
      assert.strictEqual(missing.code, 1)
      assert.include(
        missing.stderr,
        `REGISTRY_AUTH_FILE: "${helper}" names docker-credential-no-such, which is not on PATH`
      )
    })
  )

  it.live("a missing file of REGISTRY_AUTH_FILE is a mistake of the configuration, found before any request", () =>
    Effect.gen(function* () {
      const folder = yield* home
      let requests = 0
      const { host } = yield* startRegistry({
        intercept: () => {
          requests += 1
          return false
        }
      })
      const remedy = "name a file that docker login or podman login has written, or leave the variable empty"
      for (const [path, cause] of [
        [join(folder, "missing.json"), "ENOENT"],
        [folder, "EISDIR"]
      ] as const) {
        for (const args of [
          ["tags", `${host}/app`],
          ["copy", `${host}/app:1`, `${host}/copy`]
        ]) {
          const ended = yield* run(args, { REGISTRY_AUTH_FILE: path })
          assert.deepStrictEqual([ended.code, ended.stdout], [2, ""], ended.stderr)
          assert.include(ended.stderr, `REGISTRY_AUTH_FILE: "${path}" cannot be read (${cause}`)
          assert.include(ended.stderr, remedy)
          assert.lengthOf(ended.stderr.trimEnd().split("\n"), 1)
        }
      }
      assert.strictEqual(requests, 0)
    })
  )

  it.live("an Image that asks for AWS gets the identity in AWS's own variables", () =>
    Effect.gen(function* () {
      const folder = yield* home
      const aws = yield* scripted((_, response) =>
        json(response, 400, { __type: "AccessDeniedException", message: "no" })
      )
      const { host } = yield* startRegistry()
      const image = write(
        join(folder, "image.yaml"),
        `apiVersion: skopeo.io/v1alpha1
kind: Image
metadata: { name: app }
spec:
  source: { name: ${host}/app, version: 1.0.0, tlsVerify: false }
  destination: { name: 123456789012.dkr.ecr.eu-west-1.amazonaws.com/app, useAwsIRSA: true }
`
      )
      const refused = yield* run(["sync", "-f", image], {
        AWS_ACCESS_KEY_ID: "AKIDEXAMPLE",
        AWS_SECRET_ACCESS_KEY: "hunter2",
        AWS_ENDPOINT_URL_ECR: `http://${aws.host}`
      })
      assert.strictEqual(refused.code, 1)
      assert.include(refused.stdout, "AwsIdentityFailed")
      assert.include(refused.stdout, "Amazon ECR answered 400 AccessDeniedException: no")
      assert.notInclude(refused.stdout + refused.stderr, "hunter2")
      assert.match(aws.seen[0]?.authorization ?? "", /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\//u)
      const none = yield* run(["sync", "-f", image], { AWS_EC2_METADATA_DISABLED: "true" })
      assert.strictEqual(none.code, 2, "a manifest that cannot work here")
      assert.include(none.stdout, "AwsIdentityUnavailable")
      assert.include(
        none.stdout,
        "spec.destination.useAwsIRSA: true asks for the operator's AWS identity, and the operator has none"
      )
    })
  )

  it.live(
    "a credential in variables goes to an unverified host because of a variable, and not because of tlsVerify: false in a file",
    () =>
      Effect.gen(function* () {
        const admit = requireBasic("reader", "pw-reader")
        const sent = new Set<string | undefined>()
        const source = yield* startRegistry({
          intercept: (request, response) => {
            sent.add(request.headers.authorization)
            return admit(request, response)
          }
        })
        const destination = yield* startRegistry()
        pushSampleImage(source.store, "app", "1.0.0", "app")
        const image = write(
          join(yield* home, "image.yaml"),
          `apiVersion: skopeo.io/v1alpha1
kind: Image
metadata: { name: app }
spec:
  source: { name: ${source.host}/app, version: 1.0.0, tlsVerify: false }
  destination: { name: ${destination.host}/copy, tlsVerify: false }
`
        )
        const env = {
          CREDS_SOURCE_USERNAME: "reader",
          CREDS_SOURCE_PASSWORD: "pw-reader",
          CREDS_SOURCE_REGISTRIES: source.host
        }
        // The flag lets the registry count as one of another machine.
        const refused = yield* run(["sync", "-f", image, "--tls-verify"], env)
        assert.strictEqual(refused.code, 1)
        assert.match(
          refused.stdout,
          /AuthenticationFailed .* answered 401.*; the operator's credentials for .* are not sent, .* or set DISABLE_SRC_TLS_VERIFICATION to true/u
        )
        assert.deepStrictEqual([...sent], [undefined])
        const synced = yield* run(["sync", "-f", image], { ...env, DISABLE_SRC_TLS_VERIFICATION: "true" })
        assert.strictEqual(synced.code, 0, synced.stdout)
      })
  )

  it.live("the hosts of a credential in variables may be written as Docker writes them", () =>
    Effect.gen(function* () {
      const { host } = yield* locked("reader")
      const tags = yield* run(["tags", `${host}/app`, "1.x.x", "--tls-verify=false"], {
        CREDS_SOURCE_USERNAME: "reader",
        CREDS_SOURCE_PASSWORD: "pw-reader",
        CREDS_SOURCE_REGISTRIES: `index.docker.io, https://${host}/`
      })
      assert.strictEqual(tags.code, 0, tags.stderr)
    })
  )
})
