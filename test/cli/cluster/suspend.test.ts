/** `suspend` and `resume` write one field of an Image, through an API server over HTTP. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { ApiServerStore } from "../../../src/kube/ApiServerStore.ts"
import { Images } from "../../../src/kube/Resources.ts"
import { kubeconfigOf } from "../../support/apiServerHttp.ts"
import { file, run } from "../../support/commandLine.ts"
import { json, scripted } from "../../support/ScriptedServer.ts"
import { addImage, served } from "./apiServer.ts"

const imageOf = (store: ApiServerStore, name: string, namespace = "team") => {
  const object = store.get(Images, { namespace, name })
  assert(object !== undefined)
  return {
    ...object,
    spec: object["spec"] as { readonly suspend: boolean; readonly source: { readonly name: string } }
  }
}

const world = Effect.gen(function* () {
  const cluster = yield* served()
  addImage(cluster.store, { name: "nginx", labels: { tier: "web" } })
  addImage(cluster.store, { name: "redis", spec: { suspend: true } })
  addImage(cluster.store, { namespace: "other", name: "node" })
  return cluster
})

describe("skopeo-operator suspend and resume", () => {
  it.live("suspend and resume set spec.suspend, keep all other fields, and write nothing twice", () =>
    Effect.gen(function* () {
      const { run, store } = yield* world
      const before = imageOf(store, "nginx")
      const suspended = yield* run("suspend", "nginx", "image/redis")
      assert.deepStrictEqual([suspended.code, suspended.stderr], [0, ""])
      assert.deepStrictEqual(suspended.stdout.trimEnd().split("\n").toSorted(), [
        "image.skopeo.io/nginx suspended",
        "image.skopeo.io/redis already suspended"
      ])
      const after = imageOf(store, "nginx")
      assert.deepStrictEqual(after.spec, { ...before.spec, suspend: true })
      assert.deepStrictEqual(after.metadata["labels"], { tier: "web" })
      assert.strictEqual((yield* run("suspend", "nginx")).stdout, "image.skopeo.io/nginx already suspended\n")
      assert.strictEqual(imageOf(store, "nginx").metadata["resourceVersion"], after.metadata["resourceVersion"])
      assert.strictEqual((yield* run("resume", "nginx")).stdout, "image.skopeo.io/nginx resumed\n")
      assert.isFalse(imageOf(store, "nginx").spec.suspend)
      assert.strictEqual((yield* run("resume", "nginx")).stdout, "image.skopeo.io/nginx already resumed\n")
    })
  )

  it.live("suspend changes several Images only by --all or by labels, and names their namespaces", () =>
    Effect.gen(function* () {
      const { run, store } = yield* world
      for (const args of [[], ["-A"], ["-n", "team"]]) {
        const { code, stderr } = yield* run("suspend", ...args)
        assert.strictEqual(code, 2)
        assert.include(stderr, "no Image is chosen; name Images, or choose them with --selector or --all")
      }
      for (const args of [
        ["nginx", "--all"],
        ["-l", "tier=web", "--all"]
      ]) {
        assert.strictEqual((yield* run("suspend", ...args)).code, 2)
      }
      assert.isFalse(imageOf(store, "nginx").spec.suspend)
      assert.strictEqual((yield* run("suspend", "-l", "tier=web")).stdout, "image.skopeo.io/nginx suspended\n")
      const all = yield* run("suspend", "--all", "-A")
      assert.include(all.stdout, "image.skopeo.io/node (namespace other) suspended\n")
      assert.isTrue(imageOf(store, "node", "other").spec.suspend)
    })
  )

  it.live("suspend changes the Images that it may change, names each other one, and ends with 1", () =>
    Effect.gen(function* () {
      const patches: Array<string> = []
      const server = yield* scripted((request, response) => {
        const { method, url = "" } = request
        if (method === "PATCH") {
          patches.push(`${request.headers["content-type"] ?? ""} ${url}`)
          const message = 'images.skopeo.io "nginx" is forbidden: User "jane" cannot patch resource "images"'
          return json(response, 403, { kind: "Status", code: 403, reason: "Forbidden", message })
        }
        const name = url.includes("nginx") ? "nginx" : "redis"
        json(response, 200, { metadata: { name, namespace: "default" }, spec: { suspend: name === "redis" } })
      })
      const config = yield* file("config", kubeconfigOf(`http://${server.host}`))
      const { code, stderr, stdout } = yield* run(["suspend", "nginx", "redis", "--kubeconfig", config])
      assert.deepStrictEqual([code, stdout], [1, "image.skopeo.io/redis already suspended\n"])
      assert.strictEqual(
        stderr,
        'image.skopeo.io/nginx: images.skopeo.io "nginx" is forbidden: User "jane" cannot patch resource "images"; ask the owner of the cluster for a role with this verb\n'
      )
      assert.deepStrictEqual(patches, [
        "application/merge-patch+json /apis/skopeo.io/v1alpha1/namespaces/default/images/nginx?fieldManager=skopeo-operator-cli&fieldValidation=Strict"
      ])
    })
  )
})
