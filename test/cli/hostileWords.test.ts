/** What a terminal gets of the words of hostile registries, files and command lines. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { file, run } from "../support/commandLine.ts"
import { json, scripted } from "../support/ScriptedServer.ts"

/** A title, a cleared screen, a hyperlink, a C1 sequence, a bidirectional override, a zero-width space. */
const WORDS = "\u001B]0;owned\u0007\u001B[2J\u001B]8;;https://evil.test\u0007\u009B2J\u202Egpj\u200B"
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}]/u

/** Asserts that an output has no character but those of its lines. */
const assertPlain = (output: string): void => assert.notMatch(output.replaceAll("\n", ""), UNSEEN)

describe("hostile words on a terminal", () => {
  it.live("The words of a registry's error are encoded", () =>
    Effect.gen(function* () {
      const { host } = yield* scripted((_, response) =>
        json(response, 403, { errors: [{ code: "DENIED", message: `no ${WORDS}\nskopeo-operator: all is well` }] })
      )
      const { stderr } = yield* run(["tags", `${host}/app`, "1.0.x", "--tls-verify=false"])
      assertPlain(stderr)
      assert.include(stderr, "DENIED: no \\u{1b}]0;owned\\u{7}\\u{1b}[2J")
      assert.lengthOf(stderr.trimEnd().split("\n"), 1)
    })
  )

  it.live("A tag cannot forge a row, nor make the table wide", () =>
    Effect.gen(function* () {
      const forged = "1.0.1\n9.9.9   yes   matches 1.0.x"
      const tags = [forged, `v${WORDS}`, "x".repeat(100_000), "0.9.0"]
      const { host } = yield* scripted((_, response) => json(response, 200, { name: "app", tags }))
      for (const all of [[], ["--all"]]) {
        const { stderr, stdout } = yield* run(["tags", `${host}/app`, "1.0.x", "--tls-verify=false", ...all])
        assertPlain(stdout + stderr)
        assert.notMatch(stdout, /^9\.9\.9/mu)
        for (const line of stdout.split("\n")) assert.isBelow(line.length, 1_000)
      }
      const { stdout } = yield* run(["tags", `${host}/app`, "1.0.x", "--tls-verify=false", "-o", "json"])
      assertPlain(stdout)
    })
  )

  it.live("The log and the result of sync are encoded", () =>
    Effect.gen(function* () {
      const { host } = yield* scripted((_, response) =>
        json(response, 403, { errors: [{ code: "DENIED", message: WORDS }] })
      )
      const image = `apiVersion: skopeo.io/v1alpha1
kind: Image
metadata: { name: app }
spec: { source: { name: ${host}/app, version: 1.0.x, tlsVerify: false }, destination: { name: ${host}/copy, tlsVerify: false } }
`
      const path = yield* file("image.yaml", image)
      for (const output of ["text", "json"]) {
        const { stderr, stdout } = yield* run(["sync", "-f", path, "-o", output])
        assertPlain(stdout + stderr)
        assert.include(stderr, "\\u{1b}[2J")
        assert.include(stdout, "{202e}gpj")
      }
    })
  )

  it.live("The words of a file and of a command line are encoded", () =>
    Effect.gen(function* () {
      const path = yield* file("image.yaml", `"a\u202Eb\u009B": &x\n  "c\u200B`)
      const commands = [
        ["sync", "-f", path],
        ["sync", "-f", `missing${WORDS}`],
        ["tags", `quay.io/${WORDS}`, WORDS],
        ["tags", "quay.io/a", "1.x", `--${WORDS}`],
        [WORDS]
      ]
      for (const command of commands) {
        const { code, stderr, stdout } = yield* run(command)
        assert.strictEqual(code, 2)
        assertPlain(stdout + stderr)
      }
    })
  )
})
