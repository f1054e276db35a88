/** The chart of the last release, from which test/e2e/releases.e2e.ts upgrades. */
import { assert, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { gunzipSync } from "node:zlib"
import { compare } from "semver"
import packageJson from "../../package.json" with { type: "json" }
import released from "../e2e/released/release.json" with { type: "json" }

const folder = fileURLToPath(new URL("../e2e/released/", import.meta.url))

describe("test/e2e/released", () => {
  it("the folder has one packed chart, of the version in release.json", () => {
    const file = `skopeo-operator-${released.version}.tgz`
    assert.sameMembers(readdirSync(folder), ["release.json", file])
    const tar = gunzipSync(readFileSync(`${folder}${file}`)).toString("latin1")
    assert.match(tar, /^skopeo-operator\/Chart\.yaml\0/u)
    assert.include(tar, `\nappVersion: ${released.version}\n`)
  })

  it("the last release is not newer than the present version", () =>
    assert.isAtMost(compare(released.version, packageJson.version), 0))
})
