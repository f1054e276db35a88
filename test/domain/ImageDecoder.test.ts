import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { parse } from "yaml"
import type { ImageSpec } from "../../src/domain/Image.ts"
import { admitImage, decodeImage } from "../../src/domain/ImageDecoder.ts"
import { formatProblem } from "../../src/domain/Problem.ts"
import { parseMirror } from "../../src/domain/Mirror.ts"
import { EARLIER_MANIFESTS } from "../support/earlierManifests.ts"

const DIGEST = `sha256:${"ab".repeat(32)}`

const SPEC = {
  source: { name: "quay.io/argoproj/argocd", version: "v2.13.1" },
  destination: { name: "registry.corp/argoproj/argocd" }
}

const manifest = (spec: unknown, more: object = {}): object => ({
  apiVersion: "skopeo.io/v1alpha1",
  kind: "Image",
  metadata: { name: "argocd", namespace: "team-a" },
  spec,
  ...more
})

/** The messages that a user reads when the API server or `sync` refuses a manifest. */
const refusals = (object: unknown): ReadonlyArray<string> =>
  Result.match(admitImage(object), { onFailure: (problems) => problems.map(formatProblem), onSuccess: () => [] })

describe("a manifest is refused in one line with field, value and remedy:", () => {
  const NO_IMAGE = "is not an Image; write apiVersion: skopeo.io/v1alpha1 and kind: Image"
  const NO_NAME = "is not an object name; write lower-case letters, digits, dashes and dots"
  const NO_FREQUENCY = "is not a duration; use for example 15m, 1h30m or 1d12h"
  const { destination, source } = SPEC

  it.each<readonly [what: string, object: unknown, messages: ReadonlyArray<string>]>([
    ["nothing", undefined, [`kind: ${NO_IMAGE}`]],
    ["null", null, [`kind: ${NO_IMAGE}`]],
    ["a text", "Image", [`kind: ${NO_IMAGE}`]],
    ["a list", [manifest(SPEC)], [`kind: ${NO_IMAGE}`]],
    ["an empty mapping", {}, [`kind: ${NO_IMAGE}`]],
    [
      "another kind",
      manifest(SPEC, { kind: "Deployment", apiVersion: "apps/v1" }),
      [`kind: "apps/v1 Deployment" ${NO_IMAGE}`]
    ],
    ["another version", manifest(SPEC, { apiVersion: "skopeo.io/v1" }), [`kind: "skopeo.io/v1 Image" ${NO_IMAGE}`]],
    ["no version", manifest(SPEC, { apiVersion: undefined }), [`kind: "undefined Image" ${NO_IMAGE}`]],
    ["no metadata", manifest(SPEC, { metadata: null }), ["metadata.name: is missing; it is required"]],
    ["no name", manifest(SPEC, { metadata: {} }), ["metadata.name: is missing; it is required"]],
    ["a name in upper case", manifest(SPEC, { metadata: { name: "ArgoCD" } }), [`metadata.name: "ArgoCD" ${NO_NAME}`]],
    ["a name with two dots", manifest(SPEC, { metadata: { name: "a..b" } }), [`metadata.name: "a..b" ${NO_NAME}`]],
    [
      "a name too long",
      manifest(SPEC, { metadata: { name: "a".repeat(254) } }),
      [`metadata.name: "${"a".repeat(118)}… ${NO_NAME}`]
    ],

    ["no spec", manifest(undefined), ["spec: is missing; it is required"]],
    ["a null spec", manifest(null), ["spec: null is not of the right type; write a mapping of fields"]],
    ["a text as spec", manifest("x"), ['spec: "x" is not of the right type; write a mapping of fields']],
    ["a list as spec", manifest([]), ["spec: [] is not of the right type; write a mapping of fields"]],
    ["no source", manifest({ destination }), ["spec.source: is missing; it is required"]],
    ["a blank source", manifest({ source: null, destination }), ["spec.source: is missing; it is required"]],
    [
      "a text as source",
      manifest({ source: "nginx", destination }),
      ['spec.source: "nginx" is not of the right type; write a mapping of fields']
    ],
    [
      "a list as source",
      manifest({ source: [source], destination }),
      [`spec.source: ${JSON.stringify([source])} is not of the right type; write a mapping of fields`]
    ],
    [
      "no source.version",
      manifest({ source: { name: "nginx" }, destination }),
      ["spec.source.version: is missing; it is required"]
    ],
    [
      "a blank source.name",
      manifest({ source: { name: null, version: "1" }, destination }),
      ["spec.source.name: is missing; it is required"]
    ],
    [
      "an empty source.name",
      manifest({ source: { name: "", version: "1" }, destination }),
      ['spec.source.name: "" is empty; it is required']
    ],
    [
      "a number as version",
      manifest({ source: { name: "nginx", version: 1.1 }, destination }),
      ["spec.source.version: 1.1 is not of the right type; write a string, in quotes if need be"]
    ],
    [
      "a version too long",
      manifest({ source: { name: "nginx", version: "v".repeat(257) }, destination }),
      [`spec.source.version: "${"v".repeat(118)}… is too long; write at most 256 characters`]
    ],
    [
      "no destination.name",
      manifest({ source, destination: {} }),
      ["spec.destination.name: is missing; it is required"]
    ],
    [
      "tlsVerify as a text",
      manifest({ source: { ...source, tlsVerify: "no" }, destination }),
      ['spec.source.tlsVerify: "no" is not of the right type; write true or false']
    ],
    [
      "suspend as a number",
      manifest({ ...SPEC, suspend: 1 }),
      ["spec.suspend: 1 is not of the right type; write true or false"]
    ],

    [
      "a number as frequency",
      manifest({ ...SPEC, frequency: 15 }),
      ["spec.frequency: 15 is not of the right type; write a string, in quotes if need be"]
    ],
    ["a frequency of no unit", manifest({ ...SPEC, frequency: "15" }), [`spec.frequency: "15" ${NO_FREQUENCY}`]],
    [
      "a frequency with a space",
      manifest({ ...SPEC, frequency: "1h 30m" }),
      [`spec.frequency: "1h 30m" ${NO_FREQUENCY}`]
    ],
    ["an empty frequency", manifest({ ...SPEC, frequency: "" }), [`spec.frequency: "" ${NO_FREQUENCY}`]],

    [
      "Reccurrent",
      manifest({ ...SPEC, mode: "Reccurrent" }),
      ['spec.mode: "Reccurrent" must be one of OneShot, Recurrent, OnceByTag; did you mean Recurrent?']
    ],
    [
      "Reccurent",
      manifest({ ...SPEC, mode: "Reccurent" }),
      ['spec.mode: "Reccurent" must be one of OneShot, Recurrent, OnceByTag; did you mean Recurrent?']
    ],
    [
      "a mode in lower case",
      manifest({ ...SPEC, mode: "oneshot" }),
      ['spec.mode: "oneshot" must be one of OneShot, Recurrent, OnceByTag; did you mean OneShot?']
    ],
    [
      "another mode",
      manifest({ ...SPEC, mode: "Always" }),
      ['spec.mode: "Always" must be one of OneShot, Recurrent, OnceByTag']
    ],
    ["a number as mode", manifest({ ...SPEC, mode: 1 }), ["spec.mode: 1 must be one of OneShot, Recurrent, OnceByTag"]],

    [
      "an unknown field on top",
      manifest(SPEC, { sepc: 1 }),
      ["sepc: 1 is not a field of an Image; did you mean spec?"]
    ],
    [
      "an unknown field in spec",
      manifest({ ...SPEC, frequencies: "5m" }),
      ['spec.frequencies: "5m" is not a field of an Image; did you mean frequency?']
    ],
    [
      "an unknown field in source",
      manifest({ source: { ...source, vesion: "1" }, destination }),
      ['spec.source.vesion: "1" is not a field of an Image; did you mean version?']
    ],
    [
      "a field that is like no other",
      manifest({ ...SPEC, type: "x" }),
      [
        'spec.type: "x" is not a field of an Image; known are mode, frequency, allowCandidateRelease, suspend, tags, platforms, referrers, source, destination'
      ]
    ],
    [
      "a short field that is like no other",
      manifest({ source: { ...source, tag: "1" }, destination }),
      ['spec.source.tag: "1" is not a field of an Image; known are name, tlsVerify, credentials, useAwsIRSA, version']
    ],

    [
      "another tag for a pattern",
      manifest({ source: { ...source, version: "v2.13.x" }, destination: { ...destination, version: "latest" } }),
      [
        'spec.destination.version: "latest" must be left out or equal source.version (v2.13.x) when that is a pattern or a range: each tag keeps its name'
      ]
    ],
    [
      "another tag for a range",
      manifest({ source: { ...source, version: "^2.13.0" }, destination: { ...destination, version: "2.13.0" } }),
      [
        'spec.destination.version: "2.13.0" must be left out or equal source.version (^2.13.0) when that is a pattern or a range: each tag keeps its name'
      ]
    ],
    [
      "another tag for what is a range by its form",
      manifest({ source: { ...source, version: ">=foo" }, destination: { ...destination, version: "2" } }),
      [
        'spec.destination.version: "2" must be left out or equal source.version (>=foo) when that is a pattern or a range: each tag keeps its name'
      ]
    ],
    [
      "no tag for a digest",
      manifest({ source: { ...source, version: DIGEST }, destination }),
      ["spec.destination.version: is missing; a digest gives no tag, so name the tag to write"]
    ],
    [
      "no tag for a digest after @",
      manifest({ source: { ...source, version: `@${DIGEST}` }, destination }),
      ["spec.destination.version: is missing; a digest gives no tag, so name the tag to write"]
    ],
    [
      "an empty tag",
      manifest({ source, destination: { ...destination, version: "" } }),
      ['spec.destination.version: "" is empty; it is required']
    ]
  ])("a manifest is refused in one line with the field, the value and the remedy: %s", (_, object, messages) => {
    assert.deepStrictEqual(refusals(object), messages)
  })

  it("all mistakes of a manifest are reported at once", () => {
    const object = manifest(
      {
        mode: "Reccurrent",
        frequency: 5,
        surprise: true,
        source: { name: "", versoin: "1" },
        destination: { name: 3 }
      },
      { specs: {} }
    )
    assert.deepStrictEqual(
      refusals(object).toSorted(),
      [
        "specs: {} is not a field of an Image; did you mean spec?",
        'spec.mode: "Reccurrent" must be one of OneShot, Recurrent, OnceByTag; did you mean Recurrent?',
        "spec.frequency: 5 is not of the right type; write a string, in quotes if need be",
        "spec.surprise: true is not a field of an Image; known are mode, frequency, allowCandidateRelease, suspend, tags, platforms, referrers, source, destination",
        'spec.source.name: "" is empty; it is required',
        'spec.source.versoin: "1" is not a field of an Image; did you mean version?',
        "spec.source.version: is missing; it is required",
        "spec.destination.name: 3 is not of the right type; write a string, in quotes if need be"
      ].toSorted()
    )
  })
})

describe("a refusal is one line that ends", () => {
  const NASTY = `a\nb\r\nc\u2028d\u0085e\u0000${"x".repeat(100_000)}`

  it.each<readonly [where: string, object: unknown]>([
    ["kind", manifest(SPEC, { kind: NASTY })],
    ["a name", manifest(SPEC, { metadata: { name: NASTY } })],
    ["a field on top", manifest(SPEC, { [NASTY]: NASTY })],
    ["a field of spec", manifest({ ...SPEC, [NASTY]: 1 })],
    ["a value", manifest({ ...SPEC, mode: NASTY })],
    ["a version", manifest({ ...SPEC, source: { name: "nginx", version: NASTY } })],
    ["a range", manifest({ source: { name: "nginx", version: "^1.0.0\n" }, destination: { name: "x", version: "1" } })],
    ["half a character", manifest({ ...SPEC, mode: `${"x".repeat(117)}\u{1F419}\u{1F419}` })]
  ])("a refusal is one bounded line with nonsense in %s", (_, object) => {
    const messages = refusals(object)
    assert.isAbove(messages.length, 0)
    for (const message of messages) {
      assert.notMatch(message, /[\p{Cc}\p{Zl}\p{Zp}]/u)
      assert.isBelow(message.length, 1_000)
      assert.isTrue(message.isWellFormed())
    }
  })

  it("a refusal is one bounded line for a mapping that contains itself, as YAML allows", () => {
    const mode: Record<string, unknown> = {}
    mode["self"] = mode
    assert.deepStrictEqual(refusals(manifest({ ...SPEC, mode: [mode] })), [
      "spec.mode: [object Object] must be one of OneShot, Recurrent, OnceByTag"
    ])
  })

  it("a refusal of Reference and TagPattern is one bounded line too", () => {
    const parsed = parseMirror({
      mode: "OneShot",
      frequency: "5m",
      allowCandidateRelease: false,
      suspend: false,
      source: { name: `quay.io:a\nb/${NASTY}`, version: `v\n${NASTY}` },
      destination: { name: `nginx:a\nb${NASTY}`, version: NASTY }
    })
    const messages = Result.isFailure(parsed) ? parsed.failure.map(formatProblem) : []
    assert.isAbove(messages.length, 2)
    for (const message of messages) {
      assert.notMatch(message, /[\p{Cc}\p{Zl}\p{Zp}]/u)
      assert.isBelow(message.length, 1_000)
    }
  })
})

describe("an Image is decoded", () => {
  const DEFAULTS = { mode: "OneShot", frequency: "5m", allowCandidateRelease: false, suspend: false } as const

  it("an Image is decoded from the smallest manifest, with the defaults", () => {
    assert.deepStrictEqual(
      admitImage({ apiVersion: "skopeo.io/v1alpha1", kind: "Image", metadata: { name: "argocd" }, spec: SPEC }),
      Result.succeed({
        namespace: "",
        name: "argocd",
        uid: "",
        generation: 0,
        spec: { ...DEFAULTS, ...SPEC },
        status: {},
        notices: []
      })
    )
  })

  it("an Image is decoded with the fields that an API server adds", () => {
    const object = manifest(SPEC, {
      metadata: { name: "argocd", namespace: "team-a", uid: "u-1", generation: 3, managedFields: [] },
      status: { observedGeneration: -1 }
    })
    const image = Result.getOrThrow(decodeImage(object))
    assert.deepStrictEqual(
      [image.namespace, image.name, image.uid, image.generation, image.status],
      ["team-a", "argocd", "u-1", 3, { observedGeneration: -1 }]
    )
  })

  it("a field that is left blank gets its default, as in an API server", () => {
    const blank = { ...SPEC, mode: null, frequency: null, suspend: null, source: { ...SPEC.source, tlsVerify: null } }
    assert.deepStrictEqual(Result.getOrThrow(admitImage(manifest(blank))).spec, { ...DEFAULTS, ...SPEC })
  })

  it.each(["Reccurrent", "Reccurent"])(
    "a stored mode %s is decoded as Recurrent, with a notice that says the right word",
    (mode) => {
      const image = Result.getOrThrow(decodeImage(manifest({ ...SPEC, mode })))
      assert.strictEqual(image.spec.mode, "Recurrent")
      assert.deepStrictEqual(image.notices, [`spec.mode: "${mode}" runs as Recurrent; write Recurrent`])
      assert.isTrue(Result.isFailure(admitImage(manifest({ ...SPEC, mode }))), "new ones are refused")
    }
  )

  const { destination: DESTINATION, source: SOURCE } = SPEC
  it.each<readonly [field: string, spec: object, expected: Partial<ImageSpec>]>([
    ["mode", { ...SPEC, mode: "" }, SPEC],
    ["frequency", { ...SPEC, frequency: "" }, SPEC],
    [
      "destination.version",
      { ...SPEC, destination: { name: DESTINATION.name, version: "" } },
      { ...SPEC, destination: { name: DESTINATION.name } }
    ],
    [
      "every optional field",
      {
        mode: "",
        frequency: "",
        allowCandidateRelease: "",
        suspend: "",
        tags: "",
        platforms: "",
        referrers: "",
        source: { ...SOURCE, tlsVerify: "", credentials: "", useAwsIRSA: "" },
        destination: { ...DESTINATION, tlsVerify: "", credentials: "", useAwsIRSA: "" }
      },
      SPEC
    ],
    [
      "the fields of tags",
      { ...SPEC, tags: { include: "", exclude: "", latest: "", atLeast: "" } },
      { ...SPEC, tags: {} }
    ]
  ])("an empty text in a stored Image means unset, as the Go releases stored it: %s", (_, spec, expected) => {
    const stored = Result.getOrThrow(decodeImage(manifest(spec)))
    assert.deepStrictEqual(stored.spec, { ...DEFAULTS, ...SPEC, ...expected })
  })

  it.each<readonly [field: string, spec: object]>([
    ["spec.source.name", { ...SPEC, source: { ...SOURCE, name: "" } }],
    ["spec.source.version", { ...SPEC, source: { ...SOURCE, version: "" } }],
    ["spec.destination.name", { ...SPEC, destination: { ...DESTINATION, name: "" } }],
    [
      "spec.source.credentials.secretRef.name",
      { ...SPEC, source: { ...SOURCE, credentials: { secretRef: { name: "" } } } }
    ]
  ])("an empty text in a required field of a stored Image is a problem: %s", (field, spec) => {
    const decoded = decodeImage(manifest(spec))
    const problems = Result.isFailure(decoded) ? decoded.failure.map(formatProblem) : []
    assert.deepStrictEqual(problems, [`${field}: "" is empty; it is required`])
  })

  it("an Image of a later release is decoded without the unknown fields", () => {
    const later = { ...SPEC, tagging: { latest: 5 }, source: { ...SPEC.source, mirrors: {} } }
    const image = Result.getOrThrow(decodeImage(manifest(later, { extra: 1 })))
    assert.deepStrictEqual(image.spec, { ...DEFAULTS, ...SPEC })
  })

  it.each<readonly [what: string, status: unknown, decoded: object]>([
    ["none", undefined, {}],
    ["null", null, {}],
    ["a text", "Synced", {}],
    ["a list", [], {}],
    ["conditions that are a mapping", { conditions: {} }, {}],
    ["a condition of another kind", { conditions: [{ type: "Ready" }], tags: "1/1" }, {}],
    ["counts that are none", { failures: [{ attempts: -1 }] }, {}],
    [
      "the earlier operator's",
      { history: [{ performedAt: "2024-10-30T10:00:00Z" }] },
      { history: [{ performedAt: "2024-10-30T10:00:00Z" }] }
    ],
    ["with fields of a later release", { tags: "1/2", moved: 3 }, { tags: "1/2" }]
  ])("an Image is decoded with a status that is %s", (_, status, decoded) => {
    assert.deepStrictEqual(Result.getOrThrow(decodeImage(manifest(SPEC, { status }))).status, decoded)
  })

  it.prop(
    "decodeImage decodes or refuses any object, and never throws",
    { object: Schema.Json, spec: Schema.Json, source: Schema.Json, status: Schema.Json },
    ({ object, source, spec, status }) => {
      for (const candidate of [object, manifest(spec, { status }), manifest({ ...SPEC, source }, { status })]) {
        for (const result of [admitImage(candidate), decodeImage(candidate)]) {
          if (Result.isSuccess(result)) continue
          assert.isAbove(result.failure.length, 0)
          for (const problem of result.failure) assert.notMatch(formatProblem(problem), /[\p{Cc}\p{Zl}\p{Zp}]/u)
        }
      }
    },
    { arbitrary: { runs: 300 } }
  )
})

describe("every manifest of the specification works as written:", () => {
  it.each<readonly [name: string, facts: object]>([
    [
      "the recurrent task",
      {
        mode: "Recurrent",
        millis: 900_000,
        form: "Tag",
        tag: "3.7-alpine",
        from: "quay.io nginx/nginx-ingress",
        to: "docker.io tchoupinax/nginx/nginx-ingress"
      }
    ],
    [
      "tags matching a pattern",
      {
        mode: "OneShot",
        millis: 300_000,
        form: "XPattern",
        tag: undefined,
        from: "quay.io argoproj/argocd",
        to: "docker.io tchoupinax/argoproj/argocd"
      }
    ],
    [
      "the full options",
      {
        mode: "OneShot",
        millis: 60_000,
        form: "XPattern",
        tag: undefined,
        from: "docker.io source/argoproj/argocd",
        to: "docker.io destination/argoproj/argocd"
      }
    ]
  ])("the manifest of the specification is accepted: %s", (name, facts) => {
    const image = Result.getOrThrow(admitImage(parse(EARLIER_MANIFESTS[name] ?? "")))
    const { destination, frequencyMillis, mode, source, tags } = Result.getOrThrow(parseMirror(image.spec))
    assert.deepStrictEqual(
      {
        mode,
        millis: frequencyMillis,
        form: tags._tag === "Exact" ? tags.version._tag : tags.filter.pattern._tag,
        tag: tags._tag === "Exact" ? tags.destinationTag : undefined,
        from: `${source.repository.registry} ${source.repository.path}`,
        to: `${destination.repository.registry} ${destination.repository.path}`
      },
      facts
    )
  })
})
