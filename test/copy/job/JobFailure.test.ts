/** What a user reads of a Job that has failed. */
import { assert, describe, it } from "@effect/vitest"
import type { JobOutcome } from "../../../src/copy/job/Job.ts"
import { failureOf } from "../../../src/copy/job/JobFailure.ts"
import type { PodObject } from "../../../src/kube/Resources.ts"
import type { Repository } from "../../../src/oci/Reference.ts"

describe("failureOf", () => {
  const failed: Extract<JobOutcome, { readonly _tag: "Failed" }> = {
    _tag: "Failed",
    reason: "BackoffLimitExceeded",
    message: "Job has reached the specified backoff limit",
    at: undefined
  }
  const podWith = (state: object, creationTimestamp = "2026-01-01T00:00:00Z"): PodObject => ({
    metadata: { name: "pod", creationTimestamp },
    status: { containerStatuses: [{ name: "skopeo", state }] }
  })
  const ended = (message: string, at?: string) => podWith({ terminated: { exitCode: 1, message } }, at)
  const fail = (
    outcome: Extract<JobOutcome, { readonly _tag: "Failed" }>,
    pods: ReadonlyArray<PodObject>,
    destination: Repository = ECR
  ) => failureOf({ outcome, pods, destination, deadlineSeconds: 3_600 })
  const ECR: Repository = { registry: "123456789012.dkr.ecr.eu-west-1.amazonaws.com", path: "app" }
  const fatal = (message: string) => `time="2026-11-24T00:00:00Z" level=fatal msg="${message}"\n`
  const retry = `time="2026-11-24T00:00:00Z" level=warning msg="Failed, retrying in 1s ... (1/3). Error: unauthorized"\n`

  const rows: ReadonlyArray<readonly [log: string, reason: string, message: string]> = [
    [
      fatal(
        "initializing source docker://quay.io/a/b@sha256:ab: reading manifest sha256:ab in quay.io/a/b: unauthorized: access to the requested resource is not authorized"
      ),
      "AuthenticationFailed",
      "unauthorized: access"
    ],
    [
      fatal(
        "trying to reuse blob sha256:ab at destination: checking whether a blob sha256:ab exists in registry.corp/a: authentication required"
      ),
      "AuthenticationFailed",
      "authentication required"
    ],
    [
      fatal(
        "Error initializing source docker://a/b: reading manifest: errors:\\ndenied: requested access to the resource is denied\\nunauthorized: authentication required\\n"
      ),
      "AuthenticationFailed",
      "errors: denied: requested access to the resource is denied unauthorized: authentication required"
    ],
    [
      fatal(
        "copying system image from manifest list: reading blob sha256:ab: toomanyrequests: You have reached your pull rate limit."
      ),
      "RateLimited",
      "toomanyrequests"
    ],
    [
      fatal(
        "initializing source docker://quay.io/a/b@sha256:ab: reading manifest sha256:ab in quay.io/a/b: manifest unknown: manifest unknown"
      ),
      "SourceNotFound",
      "manifest unknown"
    ],
    [
      fatal(
        "writing blob: initiating layer upload to /v2/app/blobs/uploads/ in 1234.dkr.ecr.eu-west-1.amazonaws.com: name unknown: The repository with name 'app' does not exist in the registry"
      ),
      "DestinationRepositoryMissing",
      "does not exist in the registry; create the repository first: aws ecr create-repository --repository-name app --region eu-west-1"
    ],
    [
      fatal(
        'pinging container registry quay.io: Get \\"https://quay.io/v2/\\": dial tcp: lookup quay.io on 10.96.0.10:53: no such host'
      ),
      "Unreachable",
      'Get "https://quay.io/v2/": dial tcp'
    ],
    [
      fatal("pinging container registry registry.corp: x509: certificate signed by unknown authority"),
      "Unreachable",
      "unknown authority; Jobs trust a CA that is in the ConfigMap REGISTRY_CA_CONFIGMAP of the namespace where they run"
    ],
    [
      `${retry}${fatal("writing blob: something else went wrong")}`,
      "CopyFailed",
      "skopeo: writing blob: something else"
    ],
    [
      fatal('pinging container registry quay.io: Get \\"https://quay.io/v2/\\": Proxy Authentication Required'),
      "Unreachable",
      "Proxy Authentication Required"
    ],
    [
      fatal('Get \\"https://quay.io/v2/\\": proxyconnect tcp: dial tcp 10.0.0.1:3128: connect: no route to host'),
      "Unreachable",
      "proxyconnect tcp"
    ],
    ["panic: runtime error: index out of range", "CopyFailed", "skopeo: panic: runtime error"]
  ]
  for (const [log, reason, message] of rows) {
    it(`is ${reason} for: ${message}`, () => {
      const told = fail(failed, [ended(log)])
      assert.strictEqual(told.reason, reason)
      assert.include(told.message, message)
      assert.notMatch(told.message, /\n|level=fatal|retrying/u)
    })
  }

  it("is told by the newest pod", () => {
    const pods = [ended(fatal("first"), "2026-01-01T00:00:00Z"), ended(fatal("second"), "2026-01-01T00:01:00Z")]
    assert.strictEqual(fail(failed, pods).message, "skopeo: second")
    assert.strictEqual(fail(failed, [...pods].toReversed()).message, "skopeo: second")
  })

  it("is told by the container that failed, of those that run one after the other", () => {
    const pod: PodObject = {
      metadata: { name: "pod", creationTimestamp: "2026-01-01T00:00:00Z" },
      status: {
        initContainerStatuses: [
          { name: "skopeo-1", state: { terminated: { exitCode: 0 } } },
          { name: "skopeo-2", state: { terminated: { exitCode: 1, message: fatal("unauthorized: who are you") } } },
          { name: "skopeo-3", state: { waiting: { reason: "PodInitializing" } } }
        ],
        containerStatuses: [{ name: "skopeo", state: { waiting: { reason: "PodInitializing" } } }]
      }
    }
    assert.deepStrictEqual(fail(failed, [pod]), {
      reason: "AuthenticationFailed",
      message: "skopeo: unauthorized: who are you"
    })
  })

  it("is told by a pod that never started", () => {
    const waiting = { reason: "ImagePullBackOff", message: 'Back-off pulling image "quay.io/containers/skopeo"' }
    const told = fail({ ...failed, reason: "DeadlineExceeded" }, [podWith({ waiting })])
    assert.strictEqual(told.reason, "PodImageNotPulled")
    assert.include(told.message, "ImagePullBackOff: Back-off pulling image")
  })

  it("is the exit code where Skopeo says nothing", () => {
    const told = fail(failed, [podWith({ terminated: { exitCode: 137, reason: "Error" } })])
    assert.deepStrictEqual(told, {
      reason: "CopyFailed",
      message: "skopeo ended with exit code 137, and said nothing"
    })
  })

  it.each<readonly [what: string, pod: PodObject, reason: string, message: RegExp]>([
    [
      "OOMKilled with the limit, and where to raise it, whatever was logged last",
      {
        metadata: { name: "pod" },
        spec: { containers: [{ name: "skopeo", resources: { limits: { memory: "6Mi" } } }] },
        status: {
          containerStatuses: [
            { name: "skopeo", state: { terminated: { exitCode: 137, reason: "OOMKilled", message: "Copying blob" } } }
          ]
        }
      },
      "OOMKilled",
      /limit of 6Mi; raise resources\.limits\.memory in JOB_TEMPLATE/u
    ],
    [
      "PodEvicted in the node's words",
      { metadata: { name: "pod" }, status: { phase: "Failed", reason: "Evicted", message: "disk is full." } },
      "PodEvicted",
      /evicted: disk is full; /u
    ],
    [
      "DeadlineExceeded with the time that a pod has, and what Skopeo did then",
      {
        metadata: { name: "pod" },
        status: {
          reason: "DeadlineExceeded",
          containerStatuses: [{ name: "skopeo", state: { terminated: { exitCode: 2, message: fatal("retrying") } } }]
        }
      },
      "DeadlineExceeded",
      /^the copy was not done within 60 minutes; skopeo: retrying$/u
    ],
    [
      "PodUnschedulable where the Job's time has passed without a node",
      {
        metadata: { name: "pod" },
        status: { conditions: [{ type: "PodScheduled", status: "False", message: "0/1 nodes are available" }] }
      },
      "PodUnschedulable",
      /0\/1 nodes are available; .*tolerations/u
    ]
  ])("is %s", (_what, pod, reason, message) => {
    const told = fail({ ...failed, reason: "DeadlineExceeded" }, [pod])
    assert.strictEqual(told.reason, reason)
    assert.match(told.message, message)
  })

  it("is told by the Job where no pod speaks", () => {
    assert.deepStrictEqual(fail(failed, []), {
      reason: "CopyFailed",
      message: "the Job failed: Job has reached the specified backoff limit"
    })
    assert.strictEqual(fail({ ...failed, reason: "DeadlineExceeded" }, []).reason, "DeadlineExceeded")
  })

  it("is no longer than can be read", () => {
    assert.isBelow(fail(failed, [ended(fatal("x".repeat(4_000)))]).message.length, 1_100)
  })
})
