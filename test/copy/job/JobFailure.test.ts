/** The reasons and messages of failed Jobs. */
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
  ) => failureOf({ outcome, pods, destination, job: { namespace: "ops", name: "copy-1" }, deadlineSeconds: 3_600 })
  const ECR: Repository = { registry: "123456789012.dkr.ecr.eu-west-1.amazonaws.com", path: "app" }
  const fatal = (message: string) => `time="2026-11-24T00:00:00Z" level=fatal msg="${message}"\n`
  const retry = `time="2026-11-24T00:00:00Z" level=warning msg="Failed, retrying in 1s ... (1/3). Error: unauthorized"\n`

  const rows: ReadonlyArray<readonly [log: string, reason: string, message: string]> = [
    [
      fatal(
        "writing manifest: uploading manifest v1 to harbor.corp/a: denied: adding 29.0 MiB of storage resource, which when updated to current usage of 8.3 MiB will exceed the configured upper limit of 10.0 MiB."
      ),
      "QuotaExceeded",
      "denied: adding 29.0 MiB of storage resource, which when updated to current usage of 8.3 MiB will exceed the configured upper limit of 10.0 MiB.; the registry has no room"
    ],
    [
      fatal(
        "writing blob: toomanyrequests: Quota exceeded for quota metric 'Requests per project per region per minute'"
      ),
      "RateLimited",
      "toomanyrequests"
    ],
    [fatal("writing blob: toomanyrequests: Quota exceeded"), "RateLimited", "toomanyrequests: Quota exceeded"],
    [
      fatal("writing blob: denied: Quota exceeded for quota metric 'Requests per project per region per minute'"),
      "CopyFailed",
      "denied"
    ],
    [
      fatal("writing blob: denied: Quota has been exceeded on namespace"),
      "QuotaExceeded",
      "Quota has been exceeded on namespace"
    ],
    [
      fatal(
        "writing manifest: uploading manifest v1 to harbor.corp/a: unknown: Failed to process request due to 'a:v1' configured as immutable."
      ),
      "TagImmutable",
      "Failed to process request due to 'a:v1' configured as immutable."
    ],
    [
      fatal(
        "writing manifest: tag invalid: The image tag 'v1' already exists in the 'a' repository and cannot be overwritten because the repository is immutable."
      ),
      "TagImmutable",
      "delete the tag there"
    ],
    [
      fatal("writing blob: denied: The system is in read only mode. Any modification is prohibited."),
      "BlockedByRegistry",
      "The system is in read only mode. Any modification is prohibited."
    ],
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
      "skopeo: writing blob: …; read the log: kubectl logs -n ops job/copy-1 -c skopeo"
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
    it(`The reason of a failed Job is ${reason} for the message: ${message}`, () => {
      const failure = fail(failed, [ended(log)])
      assert.strictEqual(failure.reason, reason)
      assert.include(failure.message, message)
      assert.notMatch(failure.message, /\n|level=fatal|retrying/u)
    })
  }

  it("The newest pod gives the reason of a failed Job", () => {
    const pods = [ended(fatal("first"), "2026-01-01T00:00:00Z"), ended(fatal("EOF"), "2026-01-01T00:01:00Z")]
    assert.strictEqual(fail(failed, pods).message, "skopeo: EOF")
    assert.strictEqual(fail(failed, [...pods].toReversed()).message, "skopeo: EOF")
  })

  it("The failed container gives the reason when containers run one after the other", () => {
    const pod: PodObject = {
      metadata: { name: "pod", creationTimestamp: "2026-01-01T00:00:00Z" },
      status: {
        initContainerStatuses: [
          { name: "skopeo-1", state: { terminated: { exitCode: 0 } } },
          {
            name: "skopeo-2",
            state: { terminated: { exitCode: 1, message: fatal("unauthorized: who are you, db_password=hunter2") } }
          },
          { name: "skopeo-3", state: { waiting: { reason: "PodInitializing" } } }
        ],
        containerStatuses: [{ name: "skopeo", state: { waiting: { reason: "PodInitializing" } } }]
      }
    }
    assert.deepStrictEqual(fail(failed, [pod]), {
      reason: "AuthenticationFailed",
      message: "skopeo: unauthorized: …; read the log: kubectl logs -n ops job/copy-1 -c skopeo-2"
    })
  })

  it("A pod that never started gives the reason of a failed Job", () => {
    const waiting = { reason: "ImagePullBackOff", message: 'Back-off pulling image "quay.io/containers/skopeo"' }
    const failure = fail({ ...failed, reason: "DeadlineExceeded" }, [podWith({ waiting })])
    assert.strictEqual(failure.reason, "PodImageNotPulled")
    assert.include(failure.message, "ImagePullBackOff: Back-off pulling image")
  })

  it("The message has the exit code if Skopeo has logged nothing", () => {
    const failure = fail(failed, [podWith({ terminated: { exitCode: 137, reason: "Error" } })])
    assert.deepStrictEqual(failure, {
      reason: "CopyFailed",
      message: "skopeo ended with exit code 137, and said nothing"
    })
  })

  it.each<readonly [what: string, pod: PodObject, reason: string, message: RegExp]>([
    [
      "OOMKilled, and the message has the limit and the remedy",
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
      "PodEvicted, and the message is the node's",
      { metadata: { name: "pod" }, status: { phase: "Failed", reason: "Evicted", message: "disk is full." } },
      "PodEvicted",
      /evicted: disk is full; /u
    ],
    [
      "DeadlineExceeded, and the message has the deadline and Skopeo's last message",
      {
        metadata: { name: "pod" },
        status: {
          reason: "DeadlineExceeded",
          containerStatuses: [
            {
              name: "skopeo",
              state: { terminated: { exitCode: 2, message: fatal("writing blob: EOF: the page of 10.0.0.1") } }
            }
          ]
        }
      },
      "DeadlineExceeded",
      /^the copy was not done within 60 minutes; skopeo: writing blob: EOF: …$/u
    ],
    [
      "PodUnschedulable if no node took the pod before the deadline of the Job",
      {
        metadata: { name: "pod" },
        status: { conditions: [{ type: "PodScheduled", status: "False", message: "0/1 nodes are available" }] }
      },
      "PodUnschedulable",
      /0\/1 nodes are available; .*tolerations/u
    ]
  ])("The reason of a failed Job is %s", (_what, pod, reason, message) => {
    const failure = fail({ ...failed, reason: "DeadlineExceeded" }, [pod])
    assert.strictEqual(failure.reason, reason)
    assert.match(failure.message, message)
  })

  it("The Job gives the reason if it has no pods", () => {
    assert.deepStrictEqual(fail(failed, []), {
      reason: "CopyFailed",
      message: "the Job failed: Job has reached the specified backoff limit"
    })
    assert.strictEqual(fail({ ...failed, reason: "DeadlineExceeded" }, []).reason, "DeadlineExceeded")
  })

  it("The message of a failed Job is shortened", () => {
    for (const words of ["x".repeat(4_000), "EOF: ".repeat(800), "unauthorized\\n".repeat(400)]) {
      assert.isBelow(fail(failed, [ended(fatal(words))]).message.length, 1_100)
    }
  })

  const manifest = `reading manifest sha256:${"a".repeat(64)} in registry.corp/team/app`
  it.each([
    ["StatusCode: 404, internal user-data: db_password=hunter2", "StatusCode: 404: …"],
    ['StatusCode: 403, {\\"errors\\": [], \\"unauthorized\\": hunter2}', "StatusCode: 403: …"],
    ["StatusCode: 500, unauthorized: hunter2\\ndenied: hunter2", "StatusCode: 500: …"],
    ["denied: hunter2", "denied: …"],
    [
      "errors:\\ndenied: hunter2 hunter2\\nunauthorized: authentication required\\n",
      "errors: denied: … unauthorized: authentication required"
    ],
    ["unauthorized: <html>hunter2</html>: connection refused", "unauthorized: …: connection refused"],
    ["received unexpected HTTP status: 418 I'm hunter2", "received unexpected HTTP status: …"],
    ['Get \\"https://inside.corp/v2/?X-Amz-Signature=hunter2\\": EOF', 'Get "https://inside.corp/v2/": EOF'],
    ['Get \\"https://inside.corp/ hunter2\\": EOF', "…: EOF"],
    ["hunter2; x509: certificate is valid for hunter2 and more", "…; x509: …"]
  ])("No words of a page that a registry led Skopeo to are shown: %s", (words, shown) => {
    const { message } = fail(failed, [ended(fatal(`${manifest}: ${words}`))])
    assert.isTrue(message.startsWith(`skopeo: ${manifest}: ${shown}`), message)
    assert.notInclude(message, "hunter2")
    if (shown.includes("…")) assert.include(message, "read the log: kubectl logs -n ops job/copy-1 -c skopeo")
  })

  it("Words without a known part are not shown at all", () => {
    for (const words of ["hunter2", "hunter2: hunter2\\nhunter2", ": : hunter2", "<redacted>"]) {
      assert.deepStrictEqual(fail(failed, [ended(fatal(words))]), {
        reason: "CopyFailed",
        message: "skopeo ended with exit code 1; read the log: kubectl logs -n ops job/copy-1 -c skopeo"
      })
    }
  })
})
