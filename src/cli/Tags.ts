/** `tags`: lists the tags of a repository, or tries a version on them and says why each tag matches or not. */
import { Console, Effect, Option, Result } from "effect"
import { CliError, Command } from "effect/cli"
import { accessTo } from "../credentials/access.ts"
import { type CredentialError, Credentials } from "../credentials/Credentials.ts"
import type { RegistryError } from "../registry/RegistryError.ts"
import { boundedLine } from "../text/line.ts"
import { CommandFailure } from "./CommandFailure.ts"
import { BAD_USAGE, FAILED } from "./exitCodes.ts"
import { ImageDefaults } from "./ImageDefaults.ts"
import { formatDocument } from "./output.ts"
import { printFindings } from "./printFindings.ts"
import { readImages } from "./readImages.ts"
import { outputWidth } from "./table.ts"
import { answer, type Answer, type Shown } from "./tagAnswers.ts"
import { flags } from "./tagFlags.ts"
import { type Given, mistakesBesideFile, parseQuery, queryOf, type TagQuery } from "./tagQuery.ts"

/** A failure of several lines. */
const failure = (exitCode: number, lines: ReadonlyArray<string>): CommandFailure =>
  new CommandFailure({ exitCode, detail: lines.join("\n") })

/** The questions of the Images in files. */
const queriesOfFiles = Effect.fnUntraced(function* (given: Given) {
  const mistakes = mistakesBesideFile(given)
  if (mistakes.length > 0) return yield* failure(BAD_USAGE, mistakes)
  const { images, notes, problems } = yield* readImages({ ...given, names: Option.toArray(given.repository) })
  yield* printFindings({ notes, problems })
  if (problems.length > 0) return yield* failure(BAD_USAGE, [])
  const defaults = yield* ImageDefaults
  return images.flatMap((image) => Option.toArray(queryOf(image, given, defaults)))
})

const ask = Effect.fnUntraced(function* (query: TagQuery, shown: Shown) {
  const credentials = yield* Credentials
  const { credentials: choice, namespace, repository, side, tlsVerify } = query
  const access = yield* accessTo(credentials, { side, repository, namespace, choice }, tlsVerify)
  return yield* answer(query, access, shown)
})

const describeError = (error: RegistryError | CredentialError, { fields, name }: TagQuery): string =>
  error._tag === "RegistryError" && error.reason._tag === "NotFound"
    ? `${fields.repository}: "${name}" does not exist or needs credentials; correct the name, or log in to the registry (${error.detail})`
    : error.message

/** A question with its answer. */
interface Answered {
  readonly query: TagQuery
  readonly answer: Answer
}

/** Asks for several Images. An error of one does not stop the others. */
const askAll = Effect.fnUntraced(function* (queries: ReadonlyArray<TagQuery>, shown: Shown) {
  const answers: Array<Answered> = []
  const errors: Array<string> = []
  for (const query of queries) {
    const asked = yield* Effect.result(ask(query, shown))
    if (Result.isSuccess(asked)) answers.push({ query, answer: asked.success })
    else errors.push([query.image, describeError(asked.failure, query)].filter((part) => part !== "").join(": "))
  }
  return { answers, errors }
})

/** The text of all answers, in a format. `isOfFiles` gives one document for all Images, `isOne` a table without a title. */
const textOf = (
  answers: ReadonlyArray<Answered>,
  { isOfFiles, isOne, output }: { output: Given["output"]; isOfFiles: boolean; isOne: boolean }
): string => {
  switch (output) {
    case "json":
    case "yaml":
      return isOfFiles
        ? formatDocument(
            { images: answers.map(({ answer, query }) => ({ image: query.image, ...answer.document })) },
            output
          )
        : answers.map(({ answer }) => formatDocument(answer.document, output)).join("\n")
    case "name":
      return answers.flatMap(({ answer }) => answer.references).join("\n")
    case "text":
      return answers
        .map(({ answer, query }) => (isOne ? answer.text : `${boundedLine(query.image)}\n${answer.text}`))
        .filter((text) => text !== "")
        .join("\n\n")
  }
}

export const tagsCommand = Command.make(
  "tags",
  flags,
  Effect.fn(
    function* (given) {
      const hasFiles = given.files.length > 0
      const parsed = hasFiles ? undefined : parseQuery(given)
      if (parsed !== undefined && Result.isFailure(parsed)) return yield* failure(BAD_USAGE, parsed.failure)
      const queries = parsed === undefined ? yield* queriesOfFiles(given) : [parsed.success]
      const { answers, errors } = yield* askAll(queries, { all: given.all, width: yield* outputWidth })
      const output = textOf(answers, { output: given.output, isOfFiles: hasFiles, isOne: queries.length === 1 })
      if (output !== "") yield* Console.log(output)
      if (errors.length > 0) return yield* failure(FAILED, errors)
      if (answers.some(({ answer }) => !answer.matched)) return yield* failure(FAILED, [])
    },
    Effect.onInterrupt(() => Console.error("interrupted: the tags are not complete; run it again"))
  )
).pipe(
  Command.validate(({ files, repository }) =>
    files.length === 0 && Option.isNone(repository)
      ? Effect.fail(new CliError.MissingArgument({ argument: "REPOSITORY" }))
      : Effect.void
  ),
  Command.withDescription(
    "Lists the tags of a repository, or says which of them match a version. Each tag that does not match has the reason, and what to write instead. With --file the repository, the version and the rules come from Images."
  ),
  Command.withExamples([
    { command: "skopeo-operator tags quay.io/argoproj/argocd", description: "All tags, the newest first" },
    {
      command: "skopeo-operator tags quay.io/argoproj/argocd v2.13.x",
      description: "Which tags does a pattern match?"
    },
    { command: "skopeo-operator tags docker.io/library/node '^22.0.0' --latest 3 -o json" },
    { command: "skopeo-operator tags -f image.yaml", description: "Which tags would sync copy?" },
    {
      command: "skopeo-operator tags -f image.yaml --destination",
      description: "Which of them are at the destination?"
    }
  ])
)
