/** The version of a release, in each place that names it, and its notes. */
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import packageJson from "../../package.json" with { type: "json" }
import packageLock from "../../package-lock.json" with { type: "json" }
import { isPrerelease, notesOf, released, versionsOf } from "../../scripts/release/changelog.ts"
import { filesWithVersion, versionsIn, withVersion } from "../../scripts/release/versions.ts"
import { version } from "../../src/version.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))
const read = (file: string): string => readFileSync(`${root}${file}`, "utf8")
const changelog = read("CHANGELOG.md")

describe("the version", () => {
  it("the package, its lockfile, the source, the changelog, the chart and the documents have the same version", () => {
    const versions = {
      "package-lock.json": [packageLock.version, packageLock.packages[""].version],
      "src/version.ts": [version],
      "CHANGELOG.md": isPrerelease(packageJson.version) ? [packageJson.version] : versionsOf(changelog).slice(0, 1),
      ...Object.fromEntries(
        filesWithVersion(root).flatMap((file) => {
          const found = versionsIn(read(file))
          return found.length === 0 ? [] : [[file, found]]
        })
      )
    }
    assert.containsAllKeys(versions, [
      "README.md",
      "charts/skopeo-operator/Chart.yaml",
      "docs/recipes.md",
      "examples/package.json"
    ])
    for (const [file, found] of Object.entries(versions)) {
      assert.isNotEmpty(found, file)
      assert.deepStrictEqual(new Set(found), new Set([packageJson.version]), file)
    }
  })

  it("a new version goes into the chart and into commands, and into no other version", () => {
    const text = [
      "version: 0.1.0",
      'appVersion: "0.1.0"',
      'kubeVersion: ">=1.30.0-0"',
      "  --set image.version=0.1.0 --set config.skopeo.version=1.16.1",
      "container: registry.example.com/skopeo-operator:0.1.0",
      "helm install a oci://ghcr.io/someone/charts/skopeo-operator --version 0.1.0",
      "npx --yes skopeo-operator@0.1.0 sync",
      "version=0.1.0",
      '    "skopeo-operator": "^0.1.0"',
      "source: { name: ghcr.io/tchoupinax/charts/skopeo-operator, version: 0.1.0 }",
      "image: quay.io/containers/skopeo:1.16.1"
    ].join("\n")
    assert.deepStrictEqual(
      versionsIn(text),
      Array.from({ length: 9 }, () => "0.1.0")
    )
    const next = withVersion(text, "0.2.0-rc.1")
    assert.strictEqual(next, text.replaceAll("0.1.0", "0.2.0-rc.1"))
    assert.strictEqual(withVersion(next, "0.2.0"), text.replaceAll("0.1.0", "0.2.0"))
  })
})

describe("the changelog", () => {
  it("has notes for the version of the package", () => {
    assert.isDefined(notesOf(changelog, packageJson.version))
  })

  it("has each version once", () => {
    const versions = versionsOf(changelog)
    assert.strictEqual(new Set(versions).size, versions.length)
  })

  it("has no notes for a version without a section, with an empty section, or with a part of the name of another version", () => {
    const text = "# Changelog\n\n## Unreleased\n\n## 0.2.0\n\n## 0.1.0\n\n- Works.\n"
    assert.strictEqual(notesOf(text, "0.1.0"), "- Works.")
    for (const name of ["0.2.0", "0.3.0", "0.1", "", "v0.1.0"]) assert.isUndefined(notesOf(text, name), name)
  })

  it("a release takes the notes of Unreleased, and leaves an empty section for the next release", () => {
    const text = "# Changelog\n\n## Unreleased\n\n### Added\n\n- This.\n\n## 0.1.0\n\n- That.\n"
    const next = released(text, "0.2.0")
    assert.strictEqual(
      next,
      "# Changelog\n\n## Unreleased\n\n## 0.2.0\n\n### Added\n\n- This.\n\n## 0.1.0\n\n- That.\n"
    )
    assert.strictEqual(notesOf(next ?? "", "0.2.0"), "### Added\n\n- This.")
    // A prerelease has the same notes, and leaves them to the release.
    assert.strictEqual(notesOf(text, "0.2.0-rc.1"), "### Added\n\n- This.")
    assert.strictEqual(released(text, "0.2.0-rc.1"), text)
    // Nothing was written for the release after it.
    assert.isUndefined(released(next ?? "", "0.3.0"))
  })
})
