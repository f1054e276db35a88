/** Command lines as users write them: flags of every command, help, and mistakes. */
import { spawnSync } from "node:child_process"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { startRegistry } from "../../src/registry/memory/EmbeddedRegistry.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { version } from "../../src/version.ts"
import { file, run } from "../support/commandLine.ts"
import { ENVIRONMENT, main, PROCESS_TIMEOUT } from "../support/commandProcess.ts"

const COMMANDS = [
  "copy",
  "sync",
  "plan",
  "tags",
  "get",
  "events",
  "suspend",
  "resume",
  "reconcile",
  "operator",
  "crd",
  "version",
  "completion",
  "help"
]

describe("the mistakes of a command line", () => {
  it.live.each<readonly [given: string, error: string]>([
    ["sync -f x --ouput json", "unknown flag --ouput; did you mean --output?"],
    ["sync -f x --namspace a", "unknown flag --namspace; did you mean --namespace?"],
    ["sync --filename x", "unknown flag --filename; did you mean --file?"],
    ["sync -f x --format json", "unknown flag --format; did you mean --output?"],
    ["sync -f x --dry-run", "unknown flag --dry-run; did you mean the command plan?"],
    ["sync -f x --completions", "unknown flag --completions; did you mean the command completion?"],
    ["tags a b --insecure", "unknown flag --insecure; did you mean --tls-verify=false?"],
    ["plan -f x --watch", "unknown flag --watch; sync has this flag"],
    ["copy -f image.yaml", "unknown flag -f; sync, plan, tags have this flag"],
    ["plan -f x --state-dir=y", "unknown flag --state-dir; sync has this flag"],
    ["copy a b --all", "unknown flag --all; all platforms are copied"],
    ["copy a b --src-creds u:p", "unknown flag --src-creds; log in first, such as with docker login"],
    ["sync -f x --constructor", "unknown flag --constructor"],
    ["sync -f x --__proto__", "unknown flag --__proto__"],
    ["sync -f x --frobnicate", "unknown flag --frobnicate"],
    ["sync -f x --wizard", "unknown flag --wizard"],
    ["sync -f x -z", "unknown flag -z"],
    ["sync -f x -w", "unknown flag -w"],
    ["sync -f x -ojsn", '--output: "jsn" must be one of text, wide, json, yaml, name; did you mean json?'],
    ["sync -f x -o json -otext", "the flag --output is given 2 times; give it once"],
    ["sync -f x --output", "the flag --output needs a value: text, wide, json, yaml, name"],
    ["sync -f x -n", "the flag --namespace needs a value"],
    ["sync -f x -q=maybe", '--quiet: "maybe" is neither true nor false'],
    [
      "sync -f x --log-level loud",
      '--log-level: "loud" must be one of all, trace, debug, info, warn, error, fatal, none'
    ],
    [
      "sync -f x -l team=(",
      '--selector: "team=(" must be one of key=value, key!=value, key in (a, b), key notin (a, b), key and !key'
    ],
    ["tags a b --latest x", '--latest: "x" is not a whole number'],
    ["sync", "missing flag --file; write -f FILE"],
    ["sync image.yaml", "missing flag --file; write -f image.yaml"],
    ["crd x", 'unexpected argument "x"; crd takes no arguments'],
    ["tags a ^1 <2", 'unexpected argument "<2"; tags takes REPOSITORY VERSION, and a value with spaces needs quotes'],
    ["tags", "missing argument REPOSITORY"],
    ["completion", "missing argument SHELL"],
    ["completion powershell", 'SHELL: "powershell" must be one of bash, zsh, fish']
  ])("a mistake is two lines on standard error, and nothing on standard output: %s", ([given, error]) =>
    Effect.gen(function* () {
      const ended = yield* run(given.split(" "))
      const [command = ""] = given.split(" ")
      const stderr = `error: ${error}\nSee 'skopeo-operator ${command} --help'\n`
      assert.deepStrictEqual(ended, { code: 2, stdout: "", stderr })
    })
  )

  it.live.each<readonly [command: string, flag: string]>([
    ["sync", "--file"],
    ["plan", "--file"],
    ["tags", "--file"],
    ["sync -f x", "--namespace"],
    ["sync -f x", "--selector"],
    ["sync -f x", "--policy"],
    ["sync -f x --watch", "--state-dir"],
    ["sync -f x --watch", "--metrics-address"],
    ["copy a b", "--platform"],
    ["tags a b", "--exclude"],
    ["suspend", "--selector"],
    ["get", "--kubeconfig"],
    ["reconcile a", "--timeout"]
  ])("an empty value, as of a variable that is not set, is a mistake: %s %s", ([command, flag]) =>
    Effect.gen(function* () {
      const [name = ""] = command.split(" ")
      const stderr = `error: the flag ${flag} needs a value\nSee 'skopeo-operator ${name} --help'\n`
      for (const args of [[flag, ""], [`${flag}=`]]) {
        assert.deepStrictEqual(yield* run([...command.split(" "), ...args]), { code: 2, stdout: "", stderr })
      }
    })
  )

  it.live.each<readonly [given: string, error: string]>([
    ["apply -f x", "unknown command apply; did you mean sync?"],
    ["diff", "unknown command diff; did you mean plan?"],
    ["ls", "unknown command ls; did you mean tags?"],
    ["logs", "unknown command logs; did you mean events?"],
    ["synk", "unknown command synk; did you mean sync?"],
    ["image.yaml", "unknown command image.yaml; did you mean sync -f image.yaml?"],
    ["frobnicate", `unknown command frobnicate; the commands are ${COMMANDS.join(", ")}`],
    ["constructor", `unknown command constructor; the commands are ${COMMANDS.join(", ")}`],
    ["help tagz", "unknown command tagz; did you mean tags?"],
    ["-f image.yaml", "unknown flag -f; write the command first, such as skopeo-operator sync -f"]
  ])("a mistake in the place of the command names the command that is meant: %s", ([given, error]) =>
    Effect.gen(function* () {
      const ended = yield* run(given.split(" "))
      assert.deepStrictEqual(ended, { code: 2, stdout: "", stderr: `error: ${error}\nSee 'skopeo-operator --help'\n` })
    })
  )
})

describe("the flags of every command", () => {
  it.live.each<readonly [given: string]>([["--version"], ["sync --version"], ["version"], ["-v version"]])(
    "the version is printed: %s",
    ([given]) =>
      Effect.gen(function* () {
        const ended = yield* run(given.split(" "))
        assert.deepStrictEqual(ended, { code: 0, stdout: `skopeo-operator v${version}\n`, stderr: "" })
      })
  )

  it.live.each<readonly [given: string, copies: boolean]>([
    ["sync -v -fIMAGE", true],
    ["-v sync -f IMAGE", true],
    ["sync -vf IMAGE", true],
    ["sync -f IMAGE", true],
    ["sync -f IMAGE -vv", true],
    ["sync -f IMAGE -q", false],
    ["sync -qfIMAGE", false],
    ["sync -f IMAGE -v --log-level=warn", false]
  ])("sync copies and logs as the flags -v and -q say: %s", ([given, logs]) =>
    Effect.gen(function* () {
      const { host, store } = yield* startRegistry()
      pushSampleImage(store, "app", "1.0.0", "app")
      const image = yield* file(
        "image.yaml",
        `apiVersion: v1
kind: Namespace
---
apiVersion: skopeo.io/v1alpha1
kind: Image
metadata: { name: app }
spec:
  source: { name: ${host}/app, version: 1.0.0, tlsVerify: false }
  destination: { name: ${host}/copy, tlsVerify: false }
`
      )
      const { code, stderr } = yield* run(given.replace("IMAGE", image).split(" "))
      assert.strictEqual(code, 0, stderr)
      assert.isDefined(store.manifest("copy", "1.0.0"))
      const isVerbose = logs && given.includes("v")
      assert.strictEqual(
        /^debug: app: request answered PUT \/v2\/copy\/manifests\/1\.0\.0 .*: 201$/mu.test(stderr),
        isVerbose
      )
      if (logs) assert.match(stderr, /skipped v1 Namespace[^]*copied 1\.0\.0/u)
      else assert.strictEqual(stderr, "")
    })
  )

  it.live.each<readonly [args: ReadonlyArray<string>, env: Readonly<Record<string, string>>, bold: boolean]>([
    [["help"], {}, false],
    [["help", "--color=always"], {}, true],
    [["--color", "always", "help"], { NO_COLOR: "1" }, true],
    [["help"], { FORCE_COLOR: "1" }, true],
    [["help"], { FORCE_COLOR: "1", NO_COLOR: "1" }, false],
    [["help", "--color=never"], { FORCE_COLOR: "1" }, false]
  ])("help has colours as the flag --color and the environment say: %j %j", ([args, env, bold]) =>
    Effect.gen(function* () {
      const { code, stdout } = yield* run(args, env)
      assert.strictEqual(code, 0)
      assert.strictEqual(stdout.includes("\u001B[1mUSAGE"), bold)
    })
  )
})

describe("help", () => {
  it.live("the program alone, help and --help print the same help and end with 0", () =>
    Effect.gen(function* () {
      const [alone, help, flag] = [yield* run([]), yield* run(["help"]), yield* run(["--help"])]
      assert.deepStrictEqual([alone.code, alone.stderr], [0, ""])
      for (const name of COMMANDS) assert.match(alone.stdout, new RegExp(`^  ${name} +[A-Z]`, "mu"))
      assert.deepStrictEqual(help, alone)
      assert.deepStrictEqual(flag, alone)
      assert.notInclude(alone.stdout, "wizard")
    })
  )

  it.live.each(COMMANDS.map((name) => [name] as const))(
    "the help of a command has no line beyond 80 columns, its exit codes and the documents: %s",
    ([name]) =>
      Effect.gen(function* () {
        const [short, long] = [yield* run(["help", name]), yield* run([name, "-h"])]
        assert.deepStrictEqual(short, long)
        assert.deepStrictEqual([long.code, long.stderr], [0, ""])
        for (const line of long.stdout.split("\n")) assert.isAtMost(line.length, 80, line)
        assert.match(long.stdout, /^USAGE$[^]*^EXIT CODES$[^]*^ {2}2 +the command line[^]*^Documents: https:/mu)
      })
  )

  it.live("the help of sync shows the required flag, the choices of a flag, and examples", () =>
    Effect.gen(function* () {
      const { stdout } = yield* run(["sync", "--help"])
      assert.match(stdout, /^ {2}skopeo-operator sync -f FILE \[flags\] \[NAME\.\.\.\]$/mu)
      assert.match(stdout, /^ {2}-f, --file FILE [^]*?\(required\)$/mu)
      assert.match(stdout, /^ {2}-o, --output text\|wide\|json\|yaml\|name$/mu)
      assert.match(stdout, /^EXAMPLES\n {2}# [^\n]+\n {2}skopeo-operator sync -f image\.yaml$/mu)
    })
  )

  it.live.each([["bash"], ["zsh"], ["fish"]] as const)(
    "completion %s prints a script with the commands and the flags of every command",
    ([shell]) =>
      Effect.gen(function* () {
        const { code, stderr, stdout } = yield* run(["completion", shell])
        assert.deepStrictEqual([code, stderr], [0, ""])
        for (const word of ["sync", "--recursive", "verbose", "completion"]) assert.include(stdout, word)
        assert.notInclude(stdout, "--completions")
        if (shell === "bash") assert.strictEqual(spawnSync("bash", ["-n"], { input: stdout }).status, 0)
      })
  )

  it.live.each<readonly [line: string, completed: string]>([
    ["skopeo-operator sy", "sync"],
    ["skopeo-operator help su", "suspend"],
    ["skopeo-operator sync --st", "--state-dir"],
    ["skopeo-operator sync --state-dir /de", "/dev"],
    ["skopeo-operator sync -o j", "json"]
  ])("bash completes commands, the arguments of help, flags, directories and values: %s", ([line, completed]) =>
    Effect.gen(function* () {
      const { stdout } = yield* run(["completion", "bash"])
      const words = line.split(" ")
      const ask = [
        `COMP_WORDS=(${line}) COMP_CWORD=${words.length - 1} COMP_LINE='${line}' COMP_POINT=${line.length}`,
        'given="$(complete -p skopeo-operator)"; given="${given##*-F }"; "${given%% *}" skopeo-operator "${COMP_WORDS[COMP_CWORD]}"',
        'echo "${COMPREPLY[*]}"'
      ]
      const ended = spawnSync("bash", ["--norc"], { input: [stdout, ...ask].join("\n"), encoding: "utf8" })
      assert.strictEqual(ended.stdout.trim(), completed, ended.stderr)
    })
  )
})

describe("an output that cannot be written", { timeout: PROCESS_TIMEOUT }, () => {
  it("a command ends with 1 if its output cannot be written", () => {
    const command = `"${process.execPath}" "${main}" crd > /dev/full`
    const { status, stderr } = spawnSync("sh", ["-c", command], { env: ENVIRONMENT, encoding: "utf8" })
    assert.strictEqual(stderr, "skopeo-operator: the output cannot be written (ENOSPC)\n")
    assert.strictEqual(status, 1)
  })
})
