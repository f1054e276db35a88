/** Reads Images from the text of YAML files. */
import { Result } from "effect"
import { type Document, LineCounter, parseAllDocuments, visit } from "yaml"
import { admitImage } from "../domain/ImageDecoder.ts"
import { formatProblem } from "../domain/Problem.ts"
import { DEFAULT_NAMESPACE } from "./imageName.ts"
import type { ImageObject } from "../kube/Resources.ts"
import type { Written } from "../kube/KubeClient.ts"

/** The Images of a file, and its mistakes. */
export interface Manifests {
  readonly images: ReadonlyArray<Written<ImageObject>>
  /** One line for each mistake: file, line, field, value and remedy. */
  readonly problems: ReadonlyArray<string>
}

/** The first anchor of a document whose own value has an alias of the anchor, so that the value never ends. */
const anchorWithin = (document: Document): string | undefined => {
  let found: string | undefined
  visit(document, {
    Alias: (_, alias, path) => {
      const target = alias.resolve(document)
      if (target === undefined || !path.includes(target)) return undefined
      found = alias.source
      return visit.BREAK
    }
  })
  return found
}

/** Reads the documents of one file. A document with a mistake does not stop the other documents. */
export const readManifests = (file: string, text: string): Manifests => {
  const lines = new LineCounter()
  const images: Array<Written<ImageObject>> = []
  const problems: Array<string> = []
  const documents = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false })
  for (const document of Array.isArray(documents) ? documents : []) {
    const [error] = document.errors
    if (error !== undefined) {
      const { col, line } = lines.linePos(error.pos[0])
      problems.push(`${file}:${line}:${col}: is not YAML: ${error.message}`)
      continue
    }
    const { line } = lines.linePos(document.contents?.range?.[0] ?? document.range[0])
    let object: unknown
    try {
      // The parser limits here how often an alias may be expanded.
      object = document.toJS()
    } catch (cause) {
      problems.push(`${file}:${line}: cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`)
      continue
    }
    // An empty document: `---` at the end, or only a comment.
    if (object === null || object === undefined) continue
    const anchor = anchorWithin(document)
    if (anchor !== undefined) {
      problems.push(
        `${file}:${line}: refers to itself: the alias *${anchor} stands within its own anchor &${anchor}; write the value instead of the alias`
      )
      continue
    }
    const admitted = admitImage(object)
    if (Result.isFailure(admitted)) {
      problems.push(...admitted.failure.map((problem) => `${file}:${line}: ${formatProblem(problem)}`))
      continue
    }
    const { name, namespace, spec } = admitted.success
    images.push({ metadata: { name, namespace: namespace === "" ? DEFAULT_NAMESPACE : namespace }, spec })
  }
  if (images.length === 0 && problems.length === 0) problems.push(`${file}: has no Image; add one, or remove --file`)
  return { images, problems }
}
