/** docs/commands.md: each command with its help, as the command prints it. */
import { NodeServices } from "@effect/platform-node"
import { ConfigProvider, Console, Effect, Layer, Stdio } from "effect"
import { run } from "../../src/App.ts"
import { Ending } from "../../src/cli/Ending.ts"
import { LiveArea } from "../../src/cli/LiveArea.ts"
import { code, document, table } from "./markdown.ts"

/** The help of a command, which is the same on every machine. */
const helpOf = (...command: ReadonlyArray<string>): Promise<string> =>
  Effect.runPromise(
    Effect.gen(function* () {
      const lines: Array<string> = []
      const log = (...parts: ReadonlyArray<unknown>) => void lines.push(parts.join(" "))
      yield* Effect.provide(
        run,
        Layer.mergeAll(
          Stdio.layerTest({ args: Effect.succeed([...command, "--help"]) }),
          Layer.succeed(Console.Console, { ...globalThis.console, log }),
          Layer.succeed(LiveArea, LiveArea.make({ write: () => {}, columns: () => 100, rows: () => 24 })),
          Layer.succeed(Ending, Ending.make()),
          ConfigProvider.layer(ConfigProvider.fromEnv({ env: { NO_COLOR: "1" } }))
        ).pipe(Layer.provideMerge(NodeServices.layer))
      )
      return lines.join("\n").trim()
    })
  )

/** A section of a help begins with a heading in capitals, or is the line with the address of the documents. */
const sectionsOf = (help: string): ReadonlyArray<string> => help.split(/^(?=[A-Z][A-Z ]*$|Documents: )/mu)

/** The help of a command without the sections that every help has. */
const ownSections = (help: string): string =>
  sectionsOf(help)
    .filter((section) => !/^(?:GLOBAL FLAGS|EXIT CODES|Documents: )/u.test(section))
    .join("")
    .trim()

/** The commands that the help of the program lists. */
const commandsIn = (help: string): ReadonlyArray<string> =>
  sectionsOf(help)
    .filter((section) => /^[A-Z ]*COMMANDS/u.test(section))
    .flatMap((section) => [...section.matchAll(/^ {2}([a-z]+)\b/gmu)].map(([, name = ""]) => name))

const EXIT_CODES = [
  ["0", "done: all is in sync, or nothing had to be done"],
  ["1", "a copy failed, or a registry or the API server refused a request"],
  ["2", "the command line, a file or a variable is invalid"],
  ["3", "`plan` found changes"],
  ["129, 130, 143", "a signal stopped the command: HUP, Ctrl-C, TERM. `operator` and `sync --watch` then end with 0"]
]

const PURPOSES: ReadonlyArray<readonly [usage: string, purpose: string]> = [
  ["skopeo-operator copy SOURCE DESTINATION", "copies one image, without a file"],
  ["skopeo-operator plan -f FILE", "shows what `sync` would copy, and why"],
  ["skopeo-operator sync -f FILE", "copies what the Images in files select"],
  ["skopeo-operator tags REPOSITORY [VERSION]", "shows the tags of a repository, and which of them a version selects"],
  [
    "skopeo-operator get, events, suspend, resume, reconcile",
    "reads and steers the Images of a cluster; also as `kubectl image …`"
  ],
  ["skopeo-operator operator", "runs the operator in a cluster"],
  ["skopeo-operator crd", "prints the CustomResourceDefinition"],
  ["skopeo-operator version, completion, help", "prints the version, the completion of a shell, the help of a command"]
]

export const commandsDocument = async (): Promise<string> => {
  const root = await helpOf()
  const commands = commandsIn(root)
  const helps: Array<readonly [command: string, help: string]> = []
  for (const command of commands) helps.push([command, await helpOf(command)])
  return document("the help of the commands", [
    "# Commands",
    table(
      ["command", "purpose"],
      PURPOSES.map(([usage, purpose]) => [code(usage), purpose])
    ),
    "The commands read the same [variables](configuration.md#variables) as the operator, and the logins of this machine, see [credentials.md](credentials.md#without-a-cluster). Registries on loopback may speak plain HTTP.",
    "## Exit codes",
    table(["code", "meaning"], EXIT_CODES),
    "A mistake in the command line is two lines on standard error: the mistake with the remedy, and the command that prints the help. Mistakes in the values of `copy` or `tags` have one line each, with the argument, the value and the remedy. Standard output stays empty.",
    "## Files",
    "`-f` takes a file, a folder, or `-` for standard input, and may be repeated. A file is YAML or JSON, with one or more documents. All files are read and checked before anything is copied. `NAME`, `-n NAMESPACE` and `-l SELECTOR` choose among the Images of the files.",
    "```sh\nskopeo-operator plan -f mirror/ -n team-a -l env=prod\nskopeo-operator sync -f images.yaml argocd nginx\n```",
    "A `Recurrent` Image is checked and copied once by `sync`. With `--watch` the command keeps running, checks each Image every `frequency`, and reads changed files again.",
    "## Output",
    "Progress goes to standard error, and the result goes to standard output. On a terminal each copying Image has a line with its tags, bytes and rate. Elsewhere each copy logs a line when it starts and ends, and one every 10 seconds while it runs. `--quiet` leaves progress out, and `--verbose` adds detail. `NO_COLOR` and `--color never` leave colours out.",
    table(
      ["`-o`", "result"],
      [
        ["`text`", "a table, a summary, and each failed tag with its whole error"],
        ["`wide`", "a table with a row for each tag"],
        [
          "`json`, `yaml`",
          "one document. Those of `sync` and `plan` have a version, and are printed for an invalid file too. Only that of `sync` is printed after Ctrl-C: a part of a plan would look like a whole one"
        ],
        [
          "`name`",
          "references alone: of `sync` those that the destination has, of `plan` those that `sync` would write, of `tags` those that match"
        ]
      ]
    ),
    "The document of `sync` has for each Image its condition, and for each tag the `action` (`copied`, `present`, `failed`, `skipped`, `pending`), the digest if this run has asked for it, the bytes, the seconds and the whole error. A tag of a pattern that the destination had already is not asked for again, and then has no digest: `skopeo-operator tags REPOSITORY TAG` prints it. It also has totals, and the problems of the files with file, line and column. The repository's folder schemas has the JSON Schemas of the documents of `sync` and `plan`. A CI job can pin the digests:",
    "```sh\nskopeo-operator sync -f images.yaml -o json | jq -r '.images[] | .destination as $name | .tags[] | select(.digest) | \"\\($name):\\(.tag)@\\(.digest)\"'\nskopeo-operator tags docker.io/library/alpine 3.22.x -o json | jq -r '.matched[]'\n```",
    "## In a cluster",
    "`get`, `events`, `suspend`, `resume` and `reconcile` have kubectl's flags and use kubectl's credentials. `reconcile` asks for a check at once, and waits for its copies. `kubectl-image` on PATH makes them a plugin of kubectl: `kubectl image get -A`.",
    "```sh\nskopeo-operator get -A -o wide\nskopeo-operator reconcile argocd -n team-a\nskopeo-operator suspend argocd -n team-a\nskopeo-operator resume argocd -n team-a\nskopeo-operator events argocd -n team-a\n```",
    "## Examples",
    "```sh\nskopeo-operator copy docker.io/library/alpine:3.22.1 registry.example.com/library/alpine:3.22.1 --platform linux/amd64 --referrers\nskopeo-operator tags quay.io/argoproj/argocd v2.13.x --exclude='-amd64$' --latest 5\nskopeo-operator tags -f image.yaml\n```",
    "`tags` shows the nearest tags that are not selected, with the reasons. `--all` shows all of them.",
    "## Help",
    "Every command has the global flags.",
    `\`\`\`text\n${root}\n\`\`\``,
    ...helps.flatMap(([command, help]) => [`### ${command}`, `\`\`\`text\n${ownSections(help)}\n\`\`\``])
  ])
}
