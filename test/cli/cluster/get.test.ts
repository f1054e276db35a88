/** `get`: the Images of a cluster, from an API server over HTTP. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { parse } from "yaml"
import { scripted } from "../../support/ScriptedServer.ts"
import { file, run } from "../../support/commandLine.ts"
import { kubeconfigOf } from "../../support/apiServerHttp.ts"
import { addImage, ready, served } from "./apiServer.ts"

const FAILURE = {
  tag: "1.0.1",
  digest: "sha256:aa",
  copy: "1",
  attempts: 3,
  nextAttemptAt: "2026-01-01T00:10:00Z",
  reason: "Unreachable",
  message: "dest.test does not answer"
}

const world = Effect.gen(function* () {
  const cluster = yield* served()
  const { store } = cluster
  addImage(store, {
    name: "nginx",
    labels: { tier: "web" },
    spec: { mode: "Recurrent" },
    status: { ...ready("True", "Copied", "1 of 1 tag is copied"), tags: "1/1", lastCheckedAt: "2026-01-01T00:00:00Z" }
  })
  addImage(store, {
    name: "redis",
    status: { ...ready("False", "CopyFailed", "1 tag failed"), tags: "0/1", failures: [FAILURE] }
  })
  addImage(store, { namespace: "other", name: "node", spec: { suspend: true } })
  return cluster
})

describe("skopeo-operator get", () => {
  it.live("get has the columns of kubectl get images, for the namespace of the context", () =>
    Effect.gen(function* () {
      const { run } = yield* world
      const { code, stderr, stdout } = yield* run("get")
      assert.strictEqual(code, 0, stderr)
      const [header, nginx, redis, ...rest] = stdout.trimEnd().split("\n")
      assert.match(header ?? "", /^NAME +SOURCE +VERSION +MODE +TAGS +READY +STATUS +AGE$/u)
      assert.match(
        nginx ?? "",
        /^nginx +source\.test\/nginx +1\.0\.0 +Recurrent +1\/1 +True +Copied +[0-9]+[dy][0-9a-z]*$/u
      )
      assert.match(redis ?? "", /^redis +source\.test\/redis +1\.0\.0 +OneShot +0\/1 +False +CopyFailed +[0-9]/u)
      assert.deepStrictEqual(rest, [])
    })
  )

  it.live("get -A has the namespaces, -n another namespace, and -l only the Images with the labels", () =>
    Effect.gen(function* () {
      const { run } = yield* world
      assert.match(
        (yield* run("get", "-A")).stdout,
        /^NAMESPACE +NAME .*\nother +node [^]*\nteam +nginx [^]*\nteam +redis /u
      )
      assert.match((yield* run("get", "-n", "other")).stdout, /^NAME .*\nnode .*\n$/u)
      assert.match((yield* run("get", "-l", "tier=web")).stdout, /^NAME .*\nnginx .*\n$/u)
    })
  )

  it.live("get -o wide says where an Image goes, when it is checked next, and which tags failed and why", () =>
    Effect.gen(function* () {
      const { run } = yield* world
      const { stdout } = yield* run("get", "-A", "-o", "wide")
      assert.match(stdout, /SUSPENDED +DESTINATION +CHECKED +NEXT CHECK +MESSAGE$/mu)
      assert.match(stdout, /^other +node .* true +dest\.test\/node +never: suspended$/mu)
      assert.match(stdout, /^team +nginx .* false +dest\.test\/nginx +[0-9a-z]+ +now +1 of 1 tag is copied$/mu)
      assert.match(stdout, /^NAMESPACE +NAME +FAILED TAG +ATTEMPTS +RETRY +REASON +MESSAGE$/mu)
      assert.match(stdout, /^team +redis +1\.0\.1 +3 +now +Unreachable +dest\.test does not answer$/mu)
      assert.match((yield* run("get", "redis")).stdout, /^redis +1\.0\.1 +3 +now +Unreachable/mu)
    })
  )

  it.live("get -o name prints names that get accepts", () =>
    Effect.gen(function* () {
      const { run } = yield* world
      const { stdout } = yield* run("get", "-o", "name")
      assert.strictEqual(stdout, "image.skopeo.io/nginx\nimage.skopeo.io/redis\n")
      assert.match((yield* run("get", ...stdout.trim().split("\n"))).stdout, /^nginx [^]*^redis /mu)
    })
  )

  it.live("get -o json and -o yaml print the object of one name, and else a List, as kubectl does", () =>
    Effect.gen(function* () {
      const { run } = yield* world
      const one = JSON.parse((yield* run("get", "nginx", "-o", "json")).stdout)
      assert.deepInclude(one, { apiVersion: "skopeo.io/v1alpha1", kind: "Image" })
      assert.deepStrictEqual(one.metadata.labels, { tier: "web" })
      assert.strictEqual(one.spec.source.name, "source.test/nginx")
      assert.strictEqual(one.status.tags, "1/1")
      const list = parse((yield* run("get", "-o", "yaml")).stdout)
      assert.strictEqual(list.kind, "List")
      assert.deepStrictEqual(
        list.items.map(({ metadata }: { readonly metadata: { readonly name: string } }) => metadata.name),
        ["nginx", "redis"]
      )
      const none = JSON.parse((yield* run("get", "-n", "empty", "-o", "json")).stdout)
      assert.deepStrictEqual(none.items, [])
    })
  )

  it.live("get says that a namespace has no Image, and ends with 0", () =>
    Effect.gen(function* () {
      const { run } = yield* world
      const { code, stderr, stdout } = yield* run("get", "-n", "empty")
      assert.deepStrictEqual([code, stdout], [0, ""])
      assert.strictEqual(stderr, "no Images in the namespace empty; -A lists those of all namespaces\n")
    })
  )

  it.live("get shows the Images that exist, names the nearest name of one that does not, and ends with 1", () =>
    Effect.gen(function* () {
      const { run } = yield* world
      const { code, stderr, stdout } = yield* run("get", "nginx", "ngnix", "unheard-of")
      assert.strictEqual(code, 1)
      assert.match(stdout, /^nginx /mu)
      assert.deepStrictEqual(stderr.trimEnd().split("\n"), [
        'images: "ngnix" does not exist in the namespace team; did you mean nginx?',
        'images: "unheard-of" does not exist in the namespace team; get lists the Images, and -n names another namespace'
      ])
    })
  )

  for (const [args, message] of [
    [["nginx", "-A"], /--all-namespaces: .* name the namespace with -n/u],
    [["nginx", "-l", "a=b"], /--selector: choose Images by their names or by a selector/u],
    [["-l", "a b"], /--selector: "a b" must be one of key=value/u],
    [["-n", "Team/../x"], /--namespace: "Team\/\.\.\/x" is not the name of a namespace/u],
    [["../secrets/x"], /NAME: "\.\.\/secrets\/x" is not the name of an Image/u],
    [["--context", "tset"], /--context: "tset" is not a context of .*config.* did you mean test\?/u]
  ] as const) {
    it.live(`get ${args.join(" ")} is a mistake in the usage`, () =>
      Effect.gen(function* () {
        const { run } = yield* world
        const { code, stderr, stdout } = yield* run("get", ...args)
        assert.deepStrictEqual([code, stdout], [2, ""])
        assert.match(stderr, message)
      })
    )
  }

  it.live("without a kubeconfig the commands and the operator say where they have looked, and end with 2", () =>
    Effect.gen(function* () {
      for (const command of ["get", "operator"]) {
        const { code, stderr } = yield* run([command], { HOME: "/missing" })
        assert.strictEqual(code, 2)
        assert.include(stderr, "no kubeconfig: neither $KUBECONFIG nor ~/.kube/config names a file, and this is no pod")
      }
      assert.include(
        (yield* run(["get"], { KUBECONFIG: "/a:/b" })).stderr,
        "no kubeconfig: $KUBECONFIG names /a, /b, which does not exist, and this is no pod"
      )
      assert.include(
        (yield* run(["get", "--kubeconfig", "/none"], {})).stderr,
        '--kubeconfig: "/none" does not exist; name a kubeconfig file'
      )
    })
  )

  it.live("KUBECONFIG may name several files: missing ones are skipped, and --context chooses among all contexts", () =>
    Effect.gen(function* () {
      const { config } = yield* world
      const elsewhere = yield* file("config", kubeconfigOf("http://127.0.0.1:1").replaceAll('"test"', '"elsewhere"'))
      const env = { KUBECONFIG: `/missing:${elsewhere}:${config}` }
      const other = yield* run(["get"], env)
      assert.deepStrictEqual([other.code, other.stdout], [1, ""])
      assert.include(other.stderr, "the API server does not answer: http://127.0.0.1:1: ")
      const { code, stdout } = yield* run(["get", "--context", "test"], env)
      assert.strictEqual(code, 0)
      assert.match(stdout, /^nginx /mu)
    })
  )

  for (const [what, code, body, message] of [
    [
      "that has no CustomResourceDefinition",
      404,
      { message: "the server could not find it" },
      /no CustomResourceDefinition of Images; .*skopeo-operator crd \| kubectl apply -f -/u
    ],
    [
      "that forbids it",
      403,
      { reason: "Forbidden", message: 'User "jane" cannot list resource "images"' },
      /User "jane" cannot list resource "images"; ask the owner/u
    ],
    [
      "that does not know the user",
      401,
      { reason: "Unauthorized", message: "Unauthorized" },
      /does not accept the credentials of this context \(Unauthorized\); log in again/u
    ]
  ] as const) {
    it.live(`an API server ${what} gets words with the remedy, and the command ends with 1`, () =>
      Effect.gen(function* () {
        const server = yield* scripted((_, response) => {
          response.writeHead(code, { "content-type": "application/json" })
          response.end(JSON.stringify({ kind: "Status", code, ...body }))
        })
        const config = yield* file("config", kubeconfigOf(`http://${server.host}`))
        const ended = yield* run(["get", "--kubeconfig", config])
        assert.deepStrictEqual([ended.code, ended.stdout], [1, ""])
        assert.match(ended.stderr, message)
      })
    )
  }
})
