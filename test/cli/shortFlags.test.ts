/** The arguments of a program as Effect's parser gets them. */
import { assert, describe, it } from "@effect/vitest"
import type { FlagDescriptor } from "../../src/cli/CommandTree.ts"
import { flagsByName, normalizeArguments } from "../../src/cli/shortFlags.ts"

const flag = (name: string, alias: string | undefined, tag: "Boolean" | "String"): FlagDescriptor => ({
  name,
  aliases: alias === undefined ? [] : [alias],
  description: undefined,
  type: { _tag: tag }
})

const FLAGS = flagsByName({
  name: "tool",
  description: undefined,
  arguments: [],
  flags: [flag("verbose", "v", "Boolean"), flag("quiet", "q", "Boolean")],
  subcommands: [
    {
      name: "sync",
      description: undefined,
      arguments: [],
      subcommands: [],
      flags: [flag("file", "f", "String"), flag("output", "o", "String"), flag("all", undefined, "Boolean")]
    }
  ]
})

describe("the arguments of a program", () => {
  it.each<readonly [given: string, parsed: string]>([
    ["sync -ojson -fimage.yaml", "sync -o=json -f=image.yaml"],
    ["sync -o=json -o json", "sync -o=json -o json"],
    ["-f=a=b -fa=b -f= -f", "-f=a=b -f=a=b -f= -f"],
    ["-vq -vqojson -vof", "-v=true -q=true -v=true -q=true -o=json -v=true -o=f"],
    ["-v=false -qv=false", "-v=false -q=true -v=false"],
    ["-f - -f-", "-f - -f=-"],
    ["-v no -q 1", "-v=true no -q=true 1"],
    ["--all 1 --no-all 0 --verbose x --all true", "--all=true 1 --all=false 0 --verbose x --all true"],
    ["-x -vxf --output json --at-least -1", "-x -v=true -xf --output json --at-least -1"],
    ["-f ä -vä", "-f ä -v=true -ä"],
    ["sync -- -vq -ojson", "sync -- -vq -ojson"]
  ])("the arguments %s are read as %s", (given, parsed) => {
    assert.deepStrictEqual(normalizeArguments(given.split(" "), FLAGS), parsed.split(" "))
  })
})
