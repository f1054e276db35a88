/** The Images of a cluster that a command line chooses. */
import { Effect, Option, Result } from "effect"
import { PLURAL } from "../../domain/Image.ts"
import { isObjectName } from "../../domain/objectName.ts"
import { nearestOf } from "../../domain/suggestion.ts"
import { KubeAccess } from "../../kube/KubeAccess.ts"
import { KubeClient, type ListScope } from "../../kube/KubeClient.ts"
import { parseLabelSelector } from "../../kube/LabelSelector.ts"
import type { KubeObject, Resource } from "../../kube/Resource.ts"
import { excerpt } from "../../text/line.ts"
import { CommandFailure } from "../CommandFailure.ts"
import { BAD_USAGE } from "../exitCodes.ts"
import { type ClusterImage, ClusterImages } from "./ClusterImage.ts"
import { failureOf, failureOfList } from "./refusals.ts"

/** The chosen Images, as the command line says. */
export interface SelectionInput {
  readonly names: ReadonlyArray<string>
  readonly namespace: Option.Option<string>
  readonly allNamespaces: boolean
  readonly selector: Option.Option<string>
}

/** Images by name, or all those of a scope. Names have a namespace. */
export type Selection =
  | { readonly _tag: "Named"; readonly namespace: string; readonly names: ReadonlyArray<string> }
  | { readonly _tag: "Scope"; readonly scope: ListScope }

/** The Images of a selection, and a sentence for each name that no Image has. */
export interface Chosen {
  readonly images: ReadonlyArray<ClusterImage>
  readonly missing: ReadonlyArray<string>
}

/** The kind before a name, as `-o name` prints it and as kubectl accepts it. */
const KIND_PREFIX = /^(?:image|images|img)(?:\.skopeo\.io)?\//u

const NAMESPACE = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/u

const usage = (detail: string) => new CommandFailure({ exitCode: BAD_USAGE, detail })

/** Reads the flags and arguments that choose Images. */
export const selectionOf = Effect.fnUntraced(function* ({
  allNamespaces,
  names: written,
  namespace: namespaceFlag,
  selector
}: SelectionInput): Effect.fn.Return<Selection, CommandFailure, KubeAccess> {
  const { defaultNamespace } = yield* KubeAccess
  const namespace = Option.getOrElse(namespaceFlag, () => defaultNamespace)
  if (!NAMESPACE.test(namespace)) {
    return yield* usage(
      `--namespace: "${excerpt(namespace, 80)}" is not the name of a namespace; write a name such as team-a`
    )
  }
  const labels = Option.match(selector, { onNone: () => ({}), onSome: (labelSelector) => ({ labelSelector }) })
  if (Option.isSome(selector)) {
    const problem = Result.getFailure(parseLabelSelector(selector.value))
    if (Option.isSome(problem)) return yield* usage(`--selector: ${problem.value}`)
  }
  if (written.length === 0) return { _tag: "Scope", scope: allNamespaces ? labels : { namespace, ...labels } }
  if (allNamespaces) {
    return yield* usage(
      "--all-namespaces: a name is the name of one Image in one namespace; name the namespace with -n"
    )
  }
  if (Option.isSome(selector))
    return yield* usage("--selector: choose Images by their names or by a selector, not by both")
  const names = written.map((name) => name.replace(KIND_PREFIX, ""))
  const wrong = names.find((name) => !isObjectName(name))
  if (wrong !== undefined) {
    return yield* usage(`NAME: "${excerpt(wrong, 80)}" is not the name of an Image; get lists the names`)
  }
  return { _tag: "Named", namespace, names: [...new Set(names)] }
})

/** A selection of a command that changes Images. Without a name the user chooses by `--selector` or `--all`. */
export const selectionToChange = Effect.fnUntraced(function* (input: SelectionInput & { readonly all: boolean }) {
  if (input.all && input.names.length > 0) return yield* usage("--all: leave the flag out, or leave the names out")
  if (input.all && Option.isSome(input.selector))
    return yield* usage("--all: leave the flag out, or leave --selector out")
  if (!input.all && input.names.length === 0 && Option.isNone(input.selector)) {
    return yield* usage("NAME: no Image is chosen; name Images, or choose them with --selector or --all")
  }
  return yield* selectionOf(input)
})

/** The objects per page of a list, as in kubectl. */
const PAGE = 500

/** Lists all objects of a scope, page by page. */
export const listAll = Effect.fnUntraced(function* <A extends KubeObject>(resource: Resource<A>, scope: ListScope) {
  const kube = yield* KubeClient
  const items: Array<A> = []
  let next: string | undefined
  do {
    const page = yield* kube.list(resource, {
      ...scope,
      limit: PAGE,
      ...(next === undefined ? {} : { continue: next })
    })
    items.push(...page.items)
    next = page.continue
  } while (next !== undefined)
  return items
})

/** Reads the Images of a selection. */
export const chosenImages = Effect.fnUntraced(function* (
  selection: Selection
): Effect.fn.Return<Chosen, CommandFailure, KubeClient> {
  if (selection._tag === "Scope") {
    const images = yield* Effect.mapError(listAll(ClusterImages, selection.scope), failureOfList)
    return { images, missing: [] }
  }
  const { names, namespace } = selection
  const kube = yield* KubeClient
  const found = yield* Effect.forEach(
    names,
    (name) => Effect.mapError(kube.get(ClusterImages, { namespace, name }), failureOf),
    { concurrency: 5 }
  )
  const unknown = names.filter((_, index) => found[index] === undefined || Option.isNone(found[index]))
  return {
    images: found.flatMap(Option.toArray),
    missing: unknown.length === 0 ? [] : yield* missingOf(namespace, unknown)
  }
})

/** Says of each name that there is no such Image, with the nearest name. Without the CRD each name is missing. */
const missingOf = Effect.fnUntraced(function* (namespace: string, names: ReadonlyArray<string>) {
  const known = yield* listAll(ClusterImages, { namespace }).pipe(
    Effect.map((images) => images.map(({ metadata }) => metadata.name)),
    Effect.catchIf(
      // A user may have the verb get without the verb list.
      ({ reason }) => reason === "Forbidden",
      () => Effect.succeed([])
    ),
    Effect.mapError(failureOfList)
  )
  return names.map((name) => {
    const meant = nearestOf(name, known)
    const remedy =
      meant === undefined ? "get lists the Images, and -n names another namespace" : `did you mean ${meant}?`
    return `${PLURAL}: "${name}" does not exist in the namespace ${namespace}; ${remedy}`
  })
})

/** What to say if a scope has no Image. */
export const describeNothing = (selection: Selection): string => {
  if (selection._tag === "Named") return ""
  const { labelSelector, namespace } = selection.scope
  const selected = labelSelector === undefined ? "" : ` with the labels ${labelSelector}`
  return namespace === undefined
    ? `no Images${selected} in any namespace`
    : `no Images${selected} in the namespace ${namespace}; -A lists those of all namespaces`
}
