/** Reads Images from the text of YAML files. */
import { Result } from "effect"
import { LineCounter, parseAllDocuments } from "yaml"
import { admitImage } from "../domain/ImageDecoder.ts"
import { formatProblem } from "../domain/Problem.ts"
import type { ImageObject } from "../kube/Resources.ts"
import type { Written } from "../kube/KubeClient.ts"

export interface Manifests {
  readonly images: ReadonlyArray<Written<ImageObject>>
  /** One line each: file, line, and what is wrong. */
  readonly problems: ReadonlyArray<string>
}

/** The namespace of an Image that names none, as for kubectl. */
const DEFAULT_NAMESPACE = "default"

/** What stands in one file; a document that cannot be used does not keep the others from being read. */
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
      // Aliases that multiply are refused by the parser here.
      object = document.toJS()
    } catch (cause) {
      problems.push(`${file}:${line}: cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`)
      continue
    }
    // `---` at the end, or a comment between two.
    if (object === null || object === undefined) continue
    const admitted = admitImage(object)
    if (Result.isFailure(admitted)) {
      problems.push(...admitted.failure.map((problem) => `${file}:${line}: ${formatProblem(problem)}`))
      continue
    }
    const { name, namespace, spec } = admitted.success
    images.push({ metadata: { name, namespace: namespace === "" ? DEFAULT_NAMESPACE : namespace }, spec })
  }
  if (images.length === 0 && problems.length === 0) problems.push(`${file}: has no Image in it`)
  return { images, problems }
}
