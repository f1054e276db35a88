/** The documents of the project, and the examples in them. */
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const root = new URL("../../", import.meta.url)

export const readDocument = (path: string): string => readFileSync(new URL(path, root), "utf8")

/** The pages of docs/, and the pages of the root that have examples. */
export const DOCUMENTS: ReadonlyArray<string> = [
  "README.md",
  "CONTRIBUTING.md",
  "charts/skopeo-operator/README.md",
  ...readdirSync(fileURLToPath(new URL("docs", root)), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".md"))
    .sort()
    .map((file) => `docs/${file}`)
]

/** A fenced block. */
export interface Example {
  /** The document with the line of the block, as an editor opens it. */
  readonly at: string
  readonly language: string
  readonly text: string
}

/** The text below a heading of the second level, up to the next one. */
export const sectionOf = (document: string, heading: string): string =>
  (
    readDocument(document)
      .split(/^## /mu)
      .find((text) => text.startsWith(`${heading}\n`)) ?? ""
  ).slice(heading.length)

const BLOCK = /^```([a-z]*)\n([^]*?)^```$/gmu

/** The fenced blocks of a language in a text. */
export const blocksOf = (text: string, language: string): ReadonlyArray<string> =>
  [...text.matchAll(BLOCK)].flatMap(({ 1: name, 2: body = "" }) => (name === language ? [body] : []))

export const examplesOf = (document: string): ReadonlyArray<Example> => {
  const text = readDocument(document)
  return [...text.matchAll(BLOCK)].map(({ 1: language = "", 2: body = "", index }) => ({
    at: `${document}:${text.slice(0, index).split("\n").length}`,
    language,
    text: body
  }))
}

export const examplesIn = (language: string): ReadonlyArray<Example> =>
  DOCUMENTS.flatMap(examplesOf).filter((example) => example.language === language)

/** The commands of a shell block, each on one line and without its comment. */
export const commandsOf = (text: string): ReadonlyArray<string> =>
  text
    .replaceAll(/\\\n\s*/gu, " ")
    .split("\n")
    .map((line) => line.replace(/(?:^|\s)#.*$/u, "").trim())
    .filter((line) => line !== "")

/** The words of a command up to its redirection or the next command, without quotes. */
export const wordsOf = (command: string): ReadonlyArray<string> => {
  const [simple = ""] = /^(?:[^"'|>;&]|"[^"]*"|'[^']*')*/u.exec(command) ?? []
  return [...simple.matchAll(/(?:[^\s"']|"[^"]*"|'[^']*')+/gu)].map(([word]) => word.replaceAll(/["']/gu, ""))
}
