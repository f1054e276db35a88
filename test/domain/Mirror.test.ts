import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { CONFIGURED } from "../../src/domain/Credential.ts"
import { decodeImage } from "../../src/domain/ImageDecoder.ts"
import { formatProblem } from "../../src/domain/Problem.ts"
import { formatRepository } from "../../src/oci/Reference.ts"
import { type Mirror, type MirrorDefaults, parseMirror } from "../../src/domain/Mirror.ts"

const DIGEST = `sha256:${"ab".repeat(32)}`

interface Written {
  readonly mode?: string
  readonly frequency?: string
  readonly allowCandidateRelease?: boolean
  readonly source?: object
  readonly destination?: object
  readonly tags?: object
}

const parse = (written: Written, defaults?: MirrorDefaults) => {
  const source = { name: "quay.io/argoproj/argocd", version: "v2.13.1", ...written.source }
  const destination = { name: "registry.corp/argocd", ...written.destination }
  const object = { metadata: { name: "a" }, spec: { ...written, source, destination } }
  return parseMirror(Result.getOrThrow(decodeImage(object)).spec, defaults)
}

const mirrorOf = (written: Written, defaults?: MirrorDefaults): Mirror => Result.getOrThrow(parse(written, defaults))

describe("mirrors", () => {
  it("a mirror is a spec with every text parsed", () => {
    assert.deepStrictEqual(mirrorOf({}), {
      mode: "OneShot",
      frequencyMillis: 300_000,
      suspend: false,
      tags: { _tag: "Exact", version: { _tag: "Tag", tag: "v2.13.1" }, destinationTag: "v2.13.1" },
      platforms: [],
      referrers: false,
      source: {
        name: "quay.io/argoproj/argocd",
        repository: { registry: "quay.io", path: "argoproj/argocd" },
        credentials: CONFIGURED
      },
      destination: {
        name: "registry.corp/argocd",
        repository: { registry: "registry.corp", path: "argocd" },
        credentials: CONFIGURED
      }
    })
  })

  it.each([
    ["OneShot", "OneShot"],
    ["OnceByTag", "OneShot"],
    ["Recurrent", "Recurrent"],
    ["Reccurrent", "Recurrent"],
    ["Reccurent", "Recurrent"]
  ])("an Image of mode %s runs as %s", (mode, runs) => {
    assert.strictEqual(mirrorOf({ mode }).mode, runs)
  })

  it.each<readonly [version: string, destinationVersion: string | undefined, tag: string | undefined]>([
    ["1.27", undefined, "1.27"],
    ["1.27", "latest", "latest"],
    [`1.27@${DIGEST}`, undefined, "1.27"],
    [`1.27@${DIGEST}`, "stable", "stable"],
    [DIGEST, "pinned", "pinned"],
    [`@${DIGEST}`, "pinned", "pinned"],
    // Each tag keeps its name. No copy writes the literal tag v2.13.x.
    ["v2.13.x", undefined, undefined],
    ["v2.13.x", "v2.13.x", undefined],
    ["^2.13.0", "^2.13.0", undefined]
  ])("an Image of version %s to %s writes the tag %s", (version, destinationVersion, tag) => {
    const destination = destinationVersion === undefined ? {} : { version: destinationVersion }
    const { tags } = mirrorOf({ source: { version }, destination })
    assert.strictEqual(tags._tag === "Exact" ? tags.destinationTag : undefined, tag)
  })

  it("a destination without a registry is in the default one, and a source never is", () => {
    const names = { source: { name: "library/nginx" }, destination: { name: "team/nginx" } }
    const withDefault = mirrorOf(names, { destinationRegistry: "registry.corp:5000" })
    assert.strictEqual(formatRepository(withDefault.source.repository), "docker.io/library/nginx")
    assert.strictEqual(formatRepository(withDefault.destination.repository), "registry.corp:5000/team/nginx")
    assert.strictEqual(formatRepository(mirrorOf(names).destination.repository), "docker.io/team/nginx")
    const named = mirrorOf({ destination: { name: "ghcr.io/nginx" } }, { destinationRegistry: "registry.corp" })
    assert.strictEqual(formatRepository(named.destination.repository), "ghcr.io/nginx")
  })

  it("a mirror has tlsVerify only if the spec has it; the default is the operator's configuration", () => {
    const { destination, source } = mirrorOf({ source: { tlsVerify: false }, destination: { tlsVerify: true } })
    assert.deepStrictEqual([source.tlsVerify, destination.tlsVerify], [false, true])
    assert.isFalse("tlsVerify" in mirrorOf({}).source)
  })

  it.each<readonly [string, object, Mirror["source"]["credentials"]]>([
    ["nothing", {}, CONFIGURED],
    ["useAwsIRSA: false", { useAwsIRSA: false }, CONFIGURED],
    ["useAwsIRSA: true", { useAwsIRSA: true }, { _tag: "AwsIdentity" }],
    ["a secretRef", { credentials: { secretRef: { name: "pull" } } }, { _tag: "Secret", name: "pull" }],
    [
      "both, where the Secret is the more precise",
      { credentials: { secretRef: { name: "pull" } }, useAwsIRSA: true },
      { _tag: "Secret", name: "pull" }
    ]
  ])("each side has the credentials that it asks for: %s", (_, written, choice) => {
    const { destination, source } = mirrorOf({ source: written })
    assert.deepStrictEqual([source.credentials, destination.credentials], [choice, CONFIGURED])
    assert.deepStrictEqual(mirrorOf({ destination: written }).destination.credentials, choice)
  })
})

describe("specs that are refused", () => {
  const NO_TAG =
    "is not a tag, pattern, range or digest; write a tag such as 1.27-alpine, a pattern such as v2.13.x, a range such as ^2.13.0, or a digest sha256:…"

  it.each<readonly [what: string, written: Written, problems: ReadonlyArray<string>]>([
    [
      "a frequency too short",
      { frequency: "9s" },
      ['InvalidFrequency spec.frequency: "9s" is shorter than the minimum of 10s; write 10s or more']
    ],
    [
      "a frequency too long",
      { frequency: "9999w" },
      ['InvalidFrequency spec.frequency: "9999w" is longer than the maximum of 520w; write 520w or less']
    ],
    [
      "a tag in source.name",
      { source: { name: "nginx:1.27" } },
      [
        'InvalidReference spec.source.name: "nginx:1.27" has the tag 1.27; write only the repository here, and 1.27 as the version'
      ]
    ],
    [
      "a scheme in destination.name",
      { destination: { name: "https://registry.corp/a" } },
      [
        'InvalidReference spec.destination.name: "https://registry.corp/a" starts with https://; remove https://, because a name starts with its registry'
      ]
    ],
    [
      "another text for a registry",
      { source: { name: "10.1:5000/a" }, destination: { name: "quay.io:0443/a" } },
      [
        'InvalidReference spec.source.name: "10.1:5000/a" names the registry 10.1:5000, which is another text for 10.0.0.1:5000; write 10.0.0.1:5000',
        'InvalidReference spec.destination.name: "quay.io:0443/a" names the registry quay.io:0443, which is another text for quay.io; write quay.io'
      ]
    ],
    [
      "no version at all",
      { source: { version: "a b$" } },
      [
        'InvalidPattern spec.source.version: "a b$" is not a semver range; write one such as ^2.13.0 or >=1.2.0 <2.0.0, or a pattern such as v2.13.x'
      ]
    ],
    [
      "letters that a range judges",
      { source: { version: ">=1.0.0" }, tags: { extract: "^(?P<text>.*)$" } },
      [
        'InvalidExpression spec.tags.extract: "^(?P<text>.*)$" has (?P<text>…) alone, which has no numbers for >=1.0.0; write * as the version'
      ]
    ],
    ["no tag", { source: { version: "a/b" } }, [`InvalidPattern spec.source.version: "a/b" ${NO_TAG}`]],
    [
      "half a digest",
      { source: { version: "sha256:abc" }, destination: { version: "a" } },
      [
        'InvalidPattern spec.source.version: "sha256:abc" has a digest that is not sha256: and 64, or sha512: and 128, lower-case hexadecimal digits; copy the whole digest'
      ]
    ],
    [
      "a digest without a tag",
      { source: { version: DIGEST } },
      [
        "InvalidDestinationVersion spec.destination.version: is missing; a digest gives no tag, so name the tag to write"
      ]
    ],
    [
      "another tag for a pattern",
      { source: { version: "2.x" }, destination: { version: "latest" } },
      [
        'InvalidDestinationVersion spec.destination.version: "latest" must be left out or equal source.version (2.x) when that is a pattern or a range: each tag keeps its name'
      ]
    ],
    [
      "a destination tag that is none",
      { destination: { version: "^1" } },
      [
        'InvalidDestinationVersion spec.destination.version: "^1" is not a tag; write at most 128 letters, digits, dots, dashes and underscores'
      ]
    ],
    [
      "everything at once",
      { frequency: "0s", source: { name: "Nginx", version: "a/b" }, destination: { name: "a//b" } },
      [
        'InvalidFrequency spec.frequency: "0s" is shorter than the minimum of 10s; write 10s or more',
        'InvalidReference spec.source.name: "Nginx" has upper-case letters; a repository is lower case, such as nginx',
        'InvalidReference spec.destination.name: "a//b" is not a repository name; between slashes a name has lower-case letters and digits, joined by single dots, one or two underscores, or dashes',
        `InvalidPattern spec.source.version: "a/b" ${NO_TAG}`
      ]
    ]
  ])("a spec is refused with the field, the value and the remedy: %s", (_, written, expected) => {
    const parsed = parse(written)
    const problems = Result.isFailure(parsed) ? parsed.failure : []
    assert.deepStrictEqual(
      problems.map((problem) => `${problem.reason} ${formatProblem(problem)}`),
      expected
    )
  })

  it("a spec is refused if its default registry would be read as a path on Docker Hub", () => {
    const parsed = parse({ destination: { name: "nginx" } }, { destinationRegistry: "mirror" })
    assert.deepStrictEqual(Result.isFailure(parsed) ? parsed.failure.map(formatProblem) : [], [
      'spec.destination.name: "nginx" is meant for the registry mirror, which reads as a path; write it with a port, as mirror:443'
    ])
  })
})
