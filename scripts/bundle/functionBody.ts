/** The parts of the bundle: ES modules, as esbuild writes them, as bodies of functions. */

const IMPORT = /^import (?:(?:\* as )?(?<name>[\w$]+)|\{(?<names>[^}]*)\})? ?(?:from )?"(?<from>[^"]+)";$/gmu
const DEFAULT = /^export default (?<value>.*);$/gmu
const EXPORT = /^export \{(?<names>[^}]*)\};$/gmu

/** Each `a as b` of an import or export, as a pair. */
export const namesOf = (names: string): ReadonlyArray<readonly [from: string, to: string]> =>
  names
    .split(",")
    .map((each) => each.trim())
    .filter((each) => each !== "")
    .map((each) => {
      const [from = "", to = from] = each.split(" as ")
      return [from, to]
    })

/** The properties of an object literal or of an object pattern. */
const properties = (names: ReadonlyArray<readonly [from: string, to: string]>): string =>
  names.map(([key, value]) => `${key}: ${value}`).join(", ")

/** Variables that Effect's modules export and assign again. A test searches the sources for others. */
export const CHANGING: ReadonlySet<string> = new Set(["backEdges", "compilerAdaptersEnabled"])

const isChanging = ([name]: readonly [name: string, unknown: unknown]): boolean => CHANGING.has(name)

/**
 * An ES module of esbuild as the body of a function with `require` and `exports`. Other than with esbuild's own conversion, the
 * exports of a part are plain values: thousands of getters would take a tenth of the start. Only a variable that changes is a
 * getter, which each use in another part reads.
 */
export const asBody = (text: string): string => {
  /** The variables of other parts that change: by their name in this part, as an expression. */
  const changing = new Map<string, string>()
  const body = text
    .replaceAll(IMPORT, (_, name: string | undefined, names: string | undefined, from: string) => {
      const required = `require(${JSON.stringify(from)})`
      if (names !== undefined) {
        const pairs = namesOf(names)
        for (const [imported, local] of pairs.filter(isChanging)) changing.set(local, `${required}.${imported}`)
        return `const {${properties(pairs.filter((pair) => !isChanging(pair)))}} = ${required};`
      }
      // Modules of Node.js are imported as a whole or by their default, which are the same.
      return name === undefined ? `${required};` : `const ${name} = ${required};`
    })
    .replaceAll(DEFAULT, "exports.__esModule = true; exports.default = $<value>;")
    .replaceAll(EXPORT, (_, names: string) => {
      const pairs = namesOf(names).map(([local, exported]) => [exported, local] as const)
      const getters = pairs.filter(isChanging).map(([name, local]) => `${name}: { get: () => ${local} }`)
      return `Object.defineProperties(Object.assign(exports, {${properties(pairs.filter((pair) => !isChanging(pair)))}}), {${getters.join(", ")}});`
    })
  return [...changing].reduce(
    (changed, [local, expression]) =>
      changed.replaceAll(new RegExp(`(?<![.\\w$])${local}(?![\\w$])`, "gu"), expression),
    body
  )
}
