/** Reads Images from the text of YAML files. Pure. */
import { Result } from "effect"
import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseAllDocuments,
  type Scalar,
  visit
} from "yaml"
import { checkManifest } from "../domain/checkManifest.ts"
import { API_VERSION, GROUP, type ImageSpec, KIND } from "../domain/Image.ts"
import { isFreeText } from "../domain/ImageDecoder.ts"
import { formatRemark, type Problem } from "../domain/Problem.ts"
import { nearestOf } from "../domain/suggestion.ts"
import type { Written } from "../kube/KubeClient.ts"
import type { ImageObject } from "../kube/Resources.ts"
import { boundedLine, cell } from "../text/line.ts"
import { yamlRemedy } from "./yamlRemedy.ts"

/** A mistake in a file. `line` and `column` count from 1, and are those of the field or of its nearest parent. */
export interface ManifestProblem {
  readonly file: string
  readonly line?: number
  readonly column?: number
  /** The field, such as `spec.source.version`; within a List such as `items[2].spec.mode`. */
  readonly path?: string
  /** The value, the mistake and the remedy. */
  readonly message: string
}

/** Formats a problem as compilers do, so that editors and CI systems find the place: `file:line:column: path: message`. */
export const formatManifestProblem = ({ column, file, line, message, path }: ManifestProblem): string => {
  const place = [file, ...(line === undefined ? [] : [line, ...(column === undefined ? [] : [column])])].join(":")
  return boundedLine([place, ...(path === undefined ? [] : [path]), message].join(": "))
}

/** An Image of a file, with the defaults of the spec. */
export type AdmittedImage = Written<ImageObject> & { readonly spec: ImageSpec }

/** An Image of a file, and the place where its manifest begins. */
export interface Manifest {
  readonly image: AdmittedImage
  readonly file: string
  readonly line: number
  readonly column: number
}

/** The Images of a file, its mistakes, and notes about objects of other kinds. */
export interface Manifests {
  readonly manifests: ReadonlyArray<Manifest>
  readonly problems: ReadonlyArray<ManifestProblem>
  /** One line for each object that is skipped. */
  readonly notes: ReadonlyArray<string>
}

/** Reads the documents of one file. An Image without a namespace gets the given one. */
export const readManifests = (file: string, text: string, namespace: string): Manifests => {
  const manifests: Array<Manifest> = []
  const problems: Array<ManifestProblem> = []
  const notes: Array<string> = []
  const lines = new LineCounter()
  const placeOf = (offset: number) => {
    const { col, line } = lines.linePos(offset)
    return { file, line, column: col }
  }
  const placeIn = (document: Document, node: unknown) => placeOf(offsetOf(node) ?? document.range?.[0] ?? 0)

  const readObject = (document: Document, node: unknown, object: unknown, prefix: string): void => {
    const place = placeIn(document, node)
    const type = typeOf(object)
    if (type._tag === "List") {
      const nodes = itemsOf(document, node)
      type.items.forEach((item, index) => readObject(document, nodes[index] ?? node, item, `${prefix}items[${index}].`))
      return
    }
    if (type._tag === "Foreign") {
      notes.push(formatManifestProblem({ ...place, message: `skipped ${cell(type.name)}, which is not an Image` }))
      return
    }
    if (type._tag === "None") {
      problems.push({
        ...place,
        message: `is not a Kubernetes object; write apiVersion: ${API_VERSION} and kind: ${KIND}`
      })
      return
    }
    const checked = checkManifest(object)
    if (Result.isFailure(checked)) {
      problems.push(
        ...checked.failure.map((problem) => {
          const { node: field, offset } = locate(document, node, problem.field)
          return {
            ...(offset === undefined ? place : placeOf(offset)),
            path: prefix + problem.field,
            message: remarkOn(problem, field)
          }
        })
      )
      return
    }
    const { name, namespace: own, spec } = checked.success
    const labels = labelsOf(object)
    manifests.push({
      ...place,
      image: {
        metadata: { name, namespace: own === "" ? namespace : own, ...(labels === undefined ? {} : { labels }) },
        spec
      }
    })
  }

  const documents = parse(text, lines)
  if (documents === undefined) {
    problems.push({ file, message: "has maps with too many keys; split the file" })
    return { manifests, problems, notes }
  }
  for (const document of documents) {
    const [error] = document.errors
    if (error !== undefined) {
      problems.push({
        ...placeOf(error.pos[0]),
        message: `is not valid YAML: ${error.message}${yamlRemedy(error, text)}`
      })
      continue
    }
    const place = placeIn(document, document.contents)
    let object: unknown
    let anchor: string | undefined
    try {
      const anchors = anchorsOf(document)
      if (anchors.count > MOST_ANCHORS) {
        problems.push({
          ...place,
          message: `has more than ${MOST_ANCHORS} anchors and aliases; write the values instead of the aliases`
        })
        continue
      }
      if (anchors.missing !== undefined) {
        const name = cell(anchors.missing.source)
        problems.push({
          ...placeIn(document, anchors.missing),
          message: `has no anchor &${name} for the alias *${name}; write a text that begins with * in single quotes`
        })
        continue
      }
      anchor = anchors.around
      // The parser limits here how often an alias may be expanded.
      object = document.toJS()
    } catch (cause) {
      problems.push({ ...place, message: `cannot be read: ${cause instanceof Error ? cause.message : String(cause)}` })
      continue
    }
    // An empty document: `---` at the end, or only a comment.
    if (object === null || object === undefined) continue
    if (anchor !== undefined) {
      problems.push({
        ...place,
        message: `refers to itself: the alias *${anchor} stands within its own anchor &${anchor}; write the value instead of the alias`
      })
      continue
    }
    readObject(document, document.contents, object, "")
  }
  return { manifests, problems: problems.toSorted(byPlace), notes }
}

/** The most comparisons of keys of a file. An Image needs some fifty. The parser compares each key of a map with all others. */
const MOST_COMPARISONS = 2_000_000

/** The documents of a text. `undefined` if the keys of its maps are too many to be compared. */
const parse = (text: string, lineCounter: LineCounter): ReadonlyArray<Document> | undefined => {
  let comparisons = 0
  const uniqueKeys = (a: unknown, b: unknown): boolean => {
    comparisons += 1
    if (comparisons > MOST_COMPARISONS) throw new RangeError("too many keys")
    return a === b || (isScalar(a) && isScalar(b) && a.value === b.value)
  }
  try {
    const documents = parseAllDocuments(text, { lineCounter, prettyErrors: false, uniqueKeys })
    if (comparisons > MOST_COMPARISONS) return undefined
    return Array.isArray(documents) ? documents : []
  } catch (cause) {
    if (comparisons > MOST_COMPARISONS) return undefined
    throw cause
  }
}

const byPlace = (a: ManifestProblem, b: ManifestProblem): number =>
  (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0)

/** What an object is, by its apiVersion and kind. */
type ObjectType =
  | { readonly _tag: "Image" }
  | { readonly _tag: "List"; readonly items: ReadonlyArray<unknown> }
  | { readonly _tag: "Foreign"; readonly name: string }
  | { readonly _tag: "None" }

/** An object of this group, or one with a misspelt Image, counts as an Image, so that its mistake is reported. */
const typeOf = (object: unknown): ObjectType => {
  const { apiVersion, items, kind }: Readonly<Record<string, unknown>> = isRecord(object) ? object : {}
  if (typeof apiVersion !== "string" || typeof kind !== "string") return { _tag: kind === KIND ? "Image" : "None" }
  if (kind.endsWith("List") && Array.isArray(items)) return { _tag: "List", items }
  const isOwn =
    apiVersion.startsWith(`${GROUP}/`) || (kind === KIND && nearestOf(apiVersion, [API_VERSION]) !== undefined)
  return isOwn ? { _tag: "Image" } : { _tag: "Foreign", name: `${apiVersion} ${kind}` }
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The labels of an object. Only texts can be labels. */
const labelsOf = (object: unknown): Readonly<Record<string, string>> | undefined => {
  const metadata = isRecord(object) ? object["metadata"] : undefined
  const labels = isRecord(metadata) ? metadata["labels"] : undefined
  if (!isRecord(labels)) return undefined
  return Object.fromEntries(
    Object.entries(labels).flatMap(([key, value]) => (typeof value === "string" ? [[key, value]] : []))
  )
}

/** The most anchors and aliases of a document. The parser searches all of them for each alias. */
const MOST_ANCHORS = 10_000

/**
 * The number of anchors and aliases, the first anchor `around` an alias of its own, so that its value never ends, and the first alias
 * whose anchor is `missing` before the alias.
 */
const anchorsOf = (document: Document) => {
  const last = new Map<string, unknown>()
  let count = 0
  let around: string | undefined
  let missing: Alias | undefined
  visit(document, {
    Node: (_, node, path) => {
      if (isAlias(node)) {
        count += 1
        const target = last.get(node.source)
        if (target === undefined) missing ??= node
        if (target !== undefined && path.some((parent) => parent === target)) around ??= node.source
      } else if (node.anchor !== undefined) {
        count += 1
        last.set(node.anchor, node)
      }
    }
  })
  return { count, around, missing }
}

const offsetOf = (node: unknown): number | undefined =>
  isMap(node) || isSeq(node) || isScalar(node) || isAlias(node) ? (node.range?.[0] ?? undefined) : undefined

const resolved = (document: Document, node: unknown): unknown => (isAlias(node) ? node.resolve(document) : node)

const itemsOf = (document: Document, node: unknown): ReadonlyArray<unknown> => {
  const list = resolved(document, node)
  const items = isMap(list) ? resolved(document, list.get("items", true)) : undefined
  return isSeq(items) ? items.items : []
}

interface Located {
  /** The value of the field. `undefined` if the field is missing. */
  readonly node: unknown
  /** Where the key of the field, or else of its nearest parent, stands. */
  readonly offset: number | undefined
}

/** Finds a field, such as `spec.tags.include[0]`, below a node. The longest key wins, because a key may have dots. */
const locate = (document: Document, from: unknown, field: string): Located => {
  let node: unknown = from
  let offset: number | undefined
  let rest = field
  while (rest !== "") {
    const parent = resolved(document, node)
    if (isSeq(parent)) {
      const index = Number(rest.split(/[.[\]]/u)[0])
      node = parent.items[index]
      rest = rest.replace(/^[0-9]+\]?[.[]?/u, "")
      offset = offsetOf(node) ?? offset
    } else if (isMap(parent)) {
      const pair = parent.items
        .flatMap(({ key, value }) => (isScalar(key) ? [{ key, value, name: String(key.value) }] : []))
        .filter(({ name }) => rest === name || rest.startsWith(`${name}.`) || rest.startsWith(`${name}[`))
        .toSorted((a, b) => b.name.length - a.name.length)[0]
      if (pair === undefined) return { node: undefined, offset }
      node = pair.value
      offset = offsetOf(pair.key) ?? offset
      rest = rest.slice(pair.name.length + 1)
    } else return { node: undefined, offset }
    if (node === undefined) return { node, offset }
  }
  return { node, offset }
}

/** The mistake of a field. A number, a date or a Boolean in the place of a text gets quotes: YAML reads 3.10 as 3.1. */
const remarkOn = (problem: Problem, node: unknown): string => {
  const { field } = problem
  const last = field.split(".").at(-1) ?? ""
  if (isScalar(node) && isUnquoted(node) && isFreeText(field.split("."))) {
    const kind = typeof node.value === "boolean" ? "true or false" : "a number"
    return `${cell(node.source)} is ${kind} in YAML and not a text; write ${last}: "${cell(node.source)}"`
  }
  return formatRemark(problem)
}

const isUnquoted = (node: Scalar): node is Scalar & { readonly source: string } =>
  typeof node.source === "string" && ["number", "boolean", "bigint"].includes(typeof node.value)
