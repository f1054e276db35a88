/**
 * The picture of the layers in docs/architecture.md, drawn from the imports in src/: a box for each folder, and an arrow for
 * each import between two folders that no chain of other arrows shows.
 */
import { readdirSync, readFileSync } from "node:fs"
import { join, posix, sep } from "node:path"

/** Text of each file of src, by path: `kube/Store.ts`. */
export type Sources = Readonly<Record<string, string>>

/** Which box has arrows to which. */
export type Graph = ReadonlyMap<string, ReadonlySet<string>>

/** The files beside the folders compose the layers, so they are above every folder. */
const COMPOSITION = "App.ts, main.ts, …"

/** Any folder may import these files, and they import nothing of the project. They are in no layer. */
const OUTSIDE = new Set(["version.ts"])

export const readSources = (directory: string): Sources =>
  Object.fromEntries(
    readdirSync(directory, { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts"))
      .sort()
      .map((file) => [file.split(sep).join("/"), readFileSync(join(directory, file), "utf8")])
  )

/**
 * Which folder imports which. An import of a file beside the folders is no arrow: the lint rule of imports says which folder
 * may have one.
 */
export const importsBetween = (sources: Sources): Graph => {
  const graph = new Map<string, Set<string>>()
  for (const [path, text] of Object.entries(sources)) {
    if (OUTSIDE.has(path)) continue
    const from = boxOf(path)
    const imported = graph.get(from) ?? new Set()
    graph.set(from, imported)
    for (const [, specifier = ""] of text.matchAll(/(?:from|import)[ (]"(\.[^"]+)"/gu)) {
      const to = boxOf(posix.join(posix.dirname(path), specifier))
      if (to !== from && to !== COMPOSITION) imported.add(to)
    }
  }
  return graph
}

const boxOf = (path: string): string => (path.includes("/") ? path.slice(0, path.indexOf("/") + 1) : COMPOSITION)

/** How many floors above the ground a box stands: one more than the highest that it imports. Throws for a circle. */
const floorsOf = (graph: Graph): ReadonlyMap<string, number> => {
  const floors = new Map<string, number>()
  const floorOf = (box: string, above: ReadonlyArray<string>): number => {
    if (above.includes(box)) {
      const circle = [...above.slice(above.indexOf(box)), box].join(" -> ")
      throw new Error(`folders of src/ import each other in a circle: ${circle}`)
    }
    const known = floors.get(box)
    if (known !== undefined) return known
    const floor = 1 + Math.max(-1, ...importsOf(graph, box).map((below) => floorOf(below, [...above, box])))
    floors.set(box, floor)
    return floor
  }
  for (const box of graph.keys()) floorOf(box, [])
  return floors
}

const importsOf = (graph: Graph, box: string): ReadonlyArray<string> => [...(graph.get(box) ?? [])]

/** Everything below a box of a graph without circles. */
const allBelow = (graph: Graph, box: string): ReadonlySet<string> =>
  new Set(importsOf(graph, box).flatMap((below) => [below, ...allBelow(graph, below)]))

/** The transitive reduction: without each arrow that a chain of others shows. */
export const reduced = (graph: Graph): Graph => {
  floorsOf(graph)
  return new Map(
    [...graph].map(([box, imported]) => {
      const shown = new Set([...imported].flatMap((below) => [...allBelow(graph, below)]))
      return [box, new Set([...imported].filter((below) => !shown.has(below)))]
    })
  )
}

const BOX = { width: 170, height: 34 }
const GAP = { x: 40, y: 34 }
const MARGIN = 20
const HEAD = 10

interface Point {
  readonly x: number
  readonly y: number
}

/** Rows from the top. In a row the boxes stand below those that import them, so that few arrows cross. */
const rowsOf = (graph: Graph): ReadonlyArray<ReadonlyArray<string>> => {
  const floors = floorsOf(graph)
  const rows: Array<ReadonlyArray<string>> = []
  const positions = new Map<string, number>()
  const positionOf = (box: string): number => {
    const above = [...graph].flatMap(([other, imported]) => (imported.has(box) ? [positions.get(other) ?? 0] : []))
    return above.reduce((sum, position) => sum + position, 0) / Math.max(1, above.length)
  }
  for (let floor = Math.max(...floors.values()); floor >= 0; floor--) {
    const row = [...floors.keys()]
      .filter((box) => floors.get(box) === floor)
      .sort((a, b) => positionOf(a) - positionOf(b) || (a < b ? -1 : 1))
    row.forEach((box, index) => positions.set(box, index - (row.length - 1) / 2))
    rows.push(row)
  }
  return rows
}

/** The picture, as SVG. Its colours are those of GitHub, light or dark as its reader has it. */
export const drawArchitecture = (sources: Sources): string => {
  const graph = reduced(importsBetween(sources))
  const rows = rowsOf(graph)
  const columns = Math.max(...rows.map((row) => row.length))
  const width = columns * (BOX.width + GAP.x) - GAP.x + 2 * MARGIN
  const height = rows.length * (BOX.height + GAP.y) - GAP.y + 2 * MARGIN
  const places = new Map<string, Point>(
    rows.flatMap((row, index) =>
      row.map((box, column) => [
        box,
        {
          x: width / 2 + (column - (row.length - 1) / 2) * (BOX.width + GAP.x),
          y: MARGIN + index * (BOX.height + GAP.y)
        }
      ])
    )
  )
  const placeOf = (box: string): Point => places.get(box) ?? { x: 0, y: 0 }
  const arrows = [...graph].flatMap(([from, imported]) =>
    [...imported].map((to) => drawArrow(placeOf(from), placeOf(to)))
  )
  const boxes = [...places].map(([box, place]) => drawBox(box, place))
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="The folders of src, and which of them import which">
<style>
@media (prefers-color-scheme: dark) {
  .page { fill: #0d1117 }
  .box { fill: #161b22; stroke: #3d444d }
  .arrow { stroke: #9198a1 }
  .head { fill: #9198a1 }
  .name { fill: #f0f6fc }
}
</style>
<defs><marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path class="head" d="M0 0 L8 4 L0 8 z" fill="#59636e"/></marker></defs>
<rect class="page" width="100%" height="100%" rx="8" fill="#ffffff"/>
<g fill="none">
${arrows.join("\n")}
</g>
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="13" text-anchor="middle">
${boxes.join("\n")}
</g>
</svg>
`
}

/** An arrow past other rows goes down between the columns of its ends. */
const drawArrow = (from: Point, to: Point): string => {
  const floor = BOX.height + GAP.y
  const start = { x: from.x, y: from.y + BOX.height }
  // In the last stretch the arrow is straight, so that its head points down.
  const end = { x: to.x, y: to.y - HEAD }
  const isPast = to.y - from.y > floor && from.x !== to.x
  const middle = (from.x + to.x) / 2
  const [below, above] = [from.y + floor, to.y - GAP.y]
  const route = isPast
    ? `${curve(start, { x: middle, y: below })} V${above} ${curve({ x: middle, y: above }, end)}`
    : curve(start, end)
  return `<path class="arrow" stroke="#59636e" stroke-width="1.3" marker-end="url(#head)" d="M${start.x} ${start.y} ${route} V${to.y - 1}"/>`
}

const curve = (from: Point, to: Point): string => {
  const bend = Math.min(GAP.y, to.y - from.y) * 0.7
  return `C${from.x} ${from.y + bend} ${to.x} ${to.y - bend} ${to.x} ${to.y}`
}

const drawBox = (box: string, { x, y }: Point): string =>
  `<rect class="box" x="${x - BOX.width / 2}" y="${y}" width="${BOX.width}" height="${BOX.height}" rx="6" fill="#f6f8fa" stroke="#d1d9e0"/><text class="name" x="${x}" y="${y + 22}" fill="#1f2328">${box}</text>`
