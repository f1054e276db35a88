/** Reads the Images that a command line selects. */
import { Effect, type FileSystem, Option, type Path, Result, type Stdio } from "effect"
import { DEFAULT_NAMESPACE } from "../domain/ImageKey.ts"
import { nearestOf } from "../domain/suggestion.ts"
import { matchesLabels, parseLabelSelector } from "../kube/LabelSelector.ts"
import { keyOf } from "../kube/Store.ts"
import type { ImageSelection } from "./imageFlags.ts"
import { readFiles } from "./manifestFiles.ts"
import { type AdmittedImage, type Manifest, type ManifestProblem, readManifests } from "./manifests.ts"

/** The selected Images, the mistakes of all files, and notes for standard error. */
export interface ReadImages {
  /** The selected Images in the order of the files. Each has a namespace. */
  readonly images: ReadonlyArray<AdmittedImage>
  /** If this is not empty, the command must do nothing, and end with the exit code for usage. */
  readonly problems: ReadonlyArray<ManifestProblem>
  /** One line for each object of another kind. */
  readonly notes: ReadonlyArray<string>
}

/**
 * Reads and checks all files of a selection before it gives the selected Images. A mistake anywhere is a problem of the whole
 * command, even in an Image that is not selected. An identical Image that is given twice counts once.
 */
export const readImages = Effect.fn("readImages")(function* (
  selection: ImageSelection
): Effect.fn.Return<ReadImages, never, FileSystem.FileSystem | Path.Path | Stdio.Stdio> {
  const { files, problems: unreadable } = yield* readFiles(selection.files, selection)
  const namespace = Option.getOrElse(selection.namespace, () => DEFAULT_NAMESPACE)
  const read = files.map((file) => ({ ...file, ...readManifests(file.name, file.text, namespace) }))
  const empty = read.filter(
    ({ isNamed, manifests, notes, problems }) => isNamed && manifests.length + problems.length + notes.length === 0
  )
  const { manifests, problems: twins } = withoutTwins(read.flatMap((file) => file.manifests))
  const problems = [
    ...unreadable,
    ...read.flatMap((file) => file.problems),
    ...twins,
    ...empty.map(({ name }) => ({ file: name, message: "has no Image; add one, or remove --file" }))
  ]
  const notes = firstOf(
    read.flatMap((file) => file.notes),
    (more) => `${more} more objects are skipped`
  )
  if (problems.length > 0) {
    const more = (count: number) => ({
      file: selection.files.join(", "),
      message: `${count} more mistakes in the files`
    })
    return { images: [], problems: firstOf(problems, more), notes }
  }
  const selected = select(manifests, selection)
  return { images: selected.images, problems: selected.problems, notes }
})

/** The most problems, and the most notes. A file of 8 MiB can have a million. */
const REPORTED = 1_000

const firstOf = <A>(all: ReadonlyArray<A>, more: (count: number) => A): ReadonlyArray<A> =>
  all.length <= REPORTED ? all : [...all.slice(0, REPORTED), more(all.length - REPORTED)]

/** Drops repeated identical Images. Different Images of one name are a problem. */
const withoutTwins = (manifests: ReadonlyArray<Manifest>) => {
  const first = new Map<string, Manifest>()
  const problems: Array<ManifestProblem> = []
  for (const manifest of manifests) {
    const key = keyOf(manifest.image.metadata)
    const other = first.get(key)
    if (other === undefined) first.set(key, manifest)
    else if (JSON.stringify(other.image) !== JSON.stringify(manifest.image)) {
      const { column, file, line } = manifest
      problems.push({
        file,
        line,
        column,
        path: "metadata.name",
        message: `the Image ${key} is also at ${other.file}:${other.line}, with other fields; rename one of the two`
      })
    }
  }
  return { manifests: [...first.values()], problems }
}

const select = (
  manifests: ReadonlyArray<Manifest>,
  { files, names, namespace, selector }: ImageSelection
): Pick<ReadImages, "images" | "problems"> => {
  const file = files.join(", ")
  const images = manifests.map(({ image }) => image)
  if (images.length === 0) return { images, problems: [{ file, message: "no Image in the files; add one" }] }
  const requirements = Option.match(selector, {
    onNone: () => [],
    onSome: (text) => Result.getOrElse(parseLabelSelector(text), () => [])
  })
  const candidates = images
    .filter(({ metadata }) => Option.isNone(namespace) || metadata.namespace === namespace.value)
    .filter(({ metadata }) => matchesLabels(requirements, metadata.labels ?? {}))
  const isNamed = (name: string) => (image: AdmittedImage) =>
    image.metadata.name === name || keyOf(image.metadata) === name
  const known = candidates.map(({ metadata }) => metadata.name)
  const criteria = [
    ...Option.toArray(Option.map(namespace, (value) => `--namespace ${value}`)),
    ...Option.toArray(Option.map(selector, (value) => `--selector ${value}`))
  ].join(" and ")
  const missing = names.filter((name) => !candidates.some(isNamed(name)))
  if (missing.length > 0) {
    return {
      images: [],
      problems: missing.map((name) => {
        if (images.some(isNamed(name)))
          return { file, message: `the Image ${name} does not match ${criteria}; correct the selection` }
        const meant = nearestOf(name, known)
        const remedy = meant === undefined ? `the files have ${shownNames(known)}` : `did you mean ${meant}?`
        return { file, message: `no selected Image has the name ${name}; ${remedy}` }
      })
    }
  }
  const selected =
    names.length === 0 ? candidates : candidates.filter((image) => names.some((name) => isNamed(name)(image)))
  if (selected.length > 0) return { images: selected, problems: [] }
  const count =
    images.length === 1
      ? "the only Image of the files does not match"
      : `none of the ${images.length} Images of the files matches`
  return {
    images: [],
    problems: [{ file, message: `${count} ${criteria}; correct the selection` }]
  }
}

const SHOWN = 10

const shownNames = (names: ReadonlyArray<string>): string =>
  names.length === 0
    ? "no other Image"
    : [...names.slice(0, SHOWN), ...(names.length > SHOWN ? [`${names.length - SHOWN} more`] : [])].join(", ")
