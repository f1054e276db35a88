/** Tables on terminals of any width, and in files. */
import { assert, describe, it } from "@effect/vitest"
import { formatTable } from "../../src/cli/table.ts"

const HEADER = ["IMAGE", "TAGS", "MESSAGE"]
const DIGEST = `sha256:${"a".repeat(64)}`

describe("a table", () => {
  it("a table in a file has one line for each row", () => {
    assert.strictEqual(
      formatTable(HEADER, [["app", "1/2", "one two three four five six seven eight nine ten"]]),
      "IMAGE   TAGS   MESSAGE\napp     1/2    one two three four five six seven eight nine ten"
    )
  })

  it("a table on a terminal breaks its last column between words", () => {
    assert.strictEqual(
      formatTable(HEADER, [["app", "1/2", "one two three four five six seven"]], 38),
      "IMAGE   TAGS   MESSAGE\napp     1/2    one two three four five\n               six seven"
    )
  })

  it("a word that is longer than the last column goes below its row, and other rows stay as they are", () => {
    assert.strictEqual(
      formatTable(
        HEADER,
        [
          ["app", "1/2", `no ${DIGEST} here`],
          ["other", "1/1", "copied"]
        ],
        80
      ),
      ["IMAGE   TAGS   MESSAGE", "app     1/2", `    no ${DIGEST}`, "    here", "other   1/1    copied"].join("\n")
    )
  })

  it("no word of a table is broken, and no line is longer than the terminal, however long the names are", () => {
    const words = "1 of 2 tags is copied; v1 failed: the registry has answered with 403 (denied: no push access)"
    for (const name of ["app", "a-name-of-thirty-five-characters-12", "x".repeat(100)]) {
      for (let width = 45; width <= 200; width++) {
        const lines = formatTable(HEADER, [[name, "10/60", words]], width).split("\n")
        for (const line of lines) assert.isAtMost(line.length, width, line)
        const shown = lines.slice(1).join(" ").split(/ +/u)
        for (const word of words.split(" ")) assert.include(shown, word, `${width}`)
      }
    }
  })

  it("colours are not counted as characters", () => {
    assert.strictEqual(
      formatTable(HEADER, [["app", "1/2", "x"]], 80, (text, column) => (column === 1 ? `<${text}>` : text)),
      "IMAGE   TAGS   MESSAGE\napp     <1/2 >   x"
    )
  })
})
