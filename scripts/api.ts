/**
 * The reference of the package in docs/api: one file for each entry, with the declaration and the comment of each export. It is
 * read from the emitted declarations, so it changes whenever the public surface does.
 */
import { execFileSync } from "node:child_process"
import { mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Node, SyntaxKind } from "typescript/unstable/ast"
import { API, type Checker, type Program, type Symbol, SymbolFlags } from "typescript/unstable/sync"

/** The entries of the package, by the name of their file in src. */
const ENTRIES: Readonly<Record<string, string>> = {
  index: "skopeo-operator",
  domain: "skopeo-operator/domain",
  registry: "skopeo-operator/registry",
  testing: "skopeo-operator/testing"
}

/** The reference, by the path of its file in docs/api, and the public signatures that name a type that is not exported. */
export interface ApiReport {
  readonly files: Readonly<Record<string, string>>
  readonly unnamed: ReadonlyArray<string>
}

/** Emits the declarations of src, and reports on them. */
export const reportApi = (root: string): ApiReport => {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "skopeo-operator-api-")))
  try {
    const emit = ["--emitDeclarationOnly", "--declarationMap", "false", "--sourceMap", "false"]
    const tsc = join(root, "node_modules/typescript/bin/tsc")
    const config = join(root, "tsconfig.build.json")
    execFileSync(process.execPath, [tsc, "-p", config, ...emit, "--outDir", join(directory, "src")], {
      stdio: "inherit"
    })
    symlinkSync(join(root, "node_modules"), join(directory, "node_modules"))
    writeFileSync(join(directory, "package.json"), JSON.stringify({ type: "module" }))
    const compilerOptions = { strict: true, module: "nodenext", target: "es2025", types: ["node"], skipLibCheck: true }
    const files = Object.keys(ENTRIES).map((name) => `src/${name}.d.ts`)
    writeFileSync(join(directory, "tsconfig.json"), JSON.stringify({ compilerOptions, files }))
    return reportOf(directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

const reportOf = (directory: string): ApiReport => {
  const api = new API({ cwd: directory })
  try {
    const [project] = api.updateSnapshot({ openProjects: [join(directory, "tsconfig.json")] }).getProjects()
    if (project === undefined) throw new Error(`${directory} is not a project`)
    const entries = new Map(
      Object.keys(ENTRIES).map((name) => [name, entryOf(project.program, project.checker, directory, name)])
    )
    const shared = new Map(
      ["domain", "registry"].flatMap((name) =>
        (entries.get(name)?.exports ?? []).map((one) => [one.name, name] as const)
      )
    )
    return {
      files: Object.fromEntries(
        [...entries].map(([name, entry]) => [`${name}.md`, pageOf(name, entry, name === "index" ? shared : new Map())])
      ),
      unnamed: [...entries].flatMap(([name, entry]) => {
        // A test imports the main entry too.
        const also = name === "testing" ? (entries.get("index")?.exports ?? []) : []
        return unnamedIn(project.checker, directory, name, entry, also)
      })
    }
  } finally {
    api.close()
  }
}

/** One exported name, with the declarations of the name. */
interface Export {
  /** `copy`, or `DirectEngine.layer` for a member of a namespace. */
  readonly name: string
  readonly symbol: Symbol
  readonly statements: ReadonlyArray<Node>
}

interface Entry {
  readonly intro: string
  readonly exports: ReadonlyArray<Export>
}

const entryOf = (program: Program, checker: Checker, directory: string, name: string): Entry => {
  const file = program.getSourceFile(join(directory, "src", `${name}.d.ts`))
  const module = file === undefined ? undefined : checker.getSymbolAtLocation(file)
  if (file === undefined || module === undefined) throw new Error(`src/${name}.ts is not a module`)
  return {
    intro: commentOf(/^\s*(\/\*\*.*?\*\/)/su.exec(file.text)?.[1] ?? ""),
    exports: exportsOf(checker, module, "").toSorted((a, b) => compare(a.name.toLowerCase(), b.name.toLowerCase()))
  }
}

/** Sorts as every machine does, whatever its language. */
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

const exportsOf = (checker: Checker, module: Symbol, prefix: string): ReadonlyArray<Export> =>
  checker.getExportsOfModule(module).flatMap((exported): ReadonlyArray<Export> => {
    const symbol = resolved(checker, exported)
    const name = `${prefix}${exported.name}`
    if ((symbol.flags & SymbolFlags.ValueModule) !== 0) return exportsOf(checker, symbol, `${name}.`)
    return [{ name, symbol, statements: declarationsOf(symbol) }]
  })

const resolved = (checker: Checker, symbol: Symbol): Symbol =>
  (symbol.flags & SymbolFlags.Alias) === 0 ? symbol : checker.getAliasedSymbol(symbol)

/** The whole statement of a declaration: a variable is declared within a list within a statement. */
const statementOf = (node: Node): Node =>
  node.kind === SyntaxKind.VariableDeclaration ? (node.parent.parent ?? node) : node

/** The text of a comment, as Markdown. */
const commentOf = (comment: string): string =>
  comment
    .replaceAll(/^\/\*\*[ \t]?|[ \t]*\*\/$/gu, "")
    .replaceAll(/^[ \t]*\*[ \t]?/gmu, "")
    .replaceAll(/\{@link ([^}]+)\}/gu, "`$1`")
    .replaceAll(
      /^@example\s*\n(?!```)([^]*?)(?=\n@|$(?![^]))/gmu,
      (_, code: string) => `@example\n\`\`\`ts\n${code.trim()}\n\`\`\``
    )
    .replaceAll(/^@example/gmu, "**Example**\n")
    .trim()

/** The types that only the compiler names, such as the base of an error, without the paths of their modules. */
const withoutImports = (text: string): string => text.replaceAll(/import\("effect\/(\w+)"\)/gu, "$1")

/** The declaration as a reader wants to see it: without `export declare`, and with the base of a class in its place. */
const declarationOf = (statement: Node): string => {
  const text = withoutImports(statement.getText())
    .replace(/^export /u, "")
    .replace(/^declare /u, "")
  const base = /^(?:abstract )?class \w+ extends (\w+_base)\b/u.exec(text)?.[1]
  if (base === undefined) return text
  const declared = new RegExp(`^declare const ${base}: (.*?);\\n(?:/\\*\\*|export|declare)`, "msu").exec(
    statement.getSourceFile().text
  )?.[1]
  return declared === undefined ? text : text.replace(base, withoutImports(declared))
}

const docOf = (statement: Node): string => commentOf(statement.jsDoc?.at(-1)?.getText() ?? "")

const pageOf = (name: string, { exports, intro }: Entry, elsewhere: ReadonlyMap<string, string>): string => {
  const own = exports.filter((one) => !elsewhere.has(one.name))
  const sections = own.map((one) =>
    [
      `## ${one.name}`,
      ...new Set(one.statements.map(docOf).filter((text) => text !== "")),
      ["```ts", ...new Set(one.statements.map(declarationOf)), "```"].join("\n")
    ].join("\n\n")
  )
  const also = [...elsewhere].map(([other, page]) => `[\`${other}\`](${page}.md#${anchorOf(other)})`)
  return [
    "<!-- Made from the declarations of src by: npm run generate -->",
    `# ${ENTRIES[name] ?? name}`,
    intro,
    own.map((one) => `[\`${one.name}\`](#${anchorOf(one.name)})`).join(" · "),
    ...(also.length === 0 ? [] : [`From the other entries: ${[...new Set(also)].join(" · ")}`]),
    ...sections,
    ""
  ]
    .join("\n\n")
    .trimEnd()
    .concat("\n")
}

/** The anchor that GitHub gives a heading. */
const anchorOf = (heading: string): string => heading.toLowerCase().replaceAll(".", "")

/** The kinds of nodes whose identifiers name types or values. */
const NAMING: ReadonlySet<SyntaxKind> = new Set([
  SyntaxKind.TypeReference,
  SyntaxKind.ExpressionWithTypeArguments,
  SyntaxKind.TypeQuery,
  SyntaxKind.QualifiedName,
  SyntaxKind.ImportType
])

/** The types of this project that a public signature names, and that the entry does not export. */
const unnamedIn = (
  checker: Checker,
  directory: string,
  entry: string,
  { exports }: Entry,
  also: ReadonlyArray<Export>
): ReadonlyArray<string> => {
  const known = new Set([...exports, ...also].map(({ symbol }) => symbol.id))
  const lines = exports.flatMap(({ name, statements }) => {
    return named(checker, statements).flatMap((symbol) => {
      const isPublic = known.has(symbol.id) || (symbol.flags & SymbolFlags.ValueModule) !== 0
      const isOurs = symbol.declarations.some(
        (handle) => handle.path.startsWith(`${directory}/src/`) && isTopLevel(handle.resolve())
      )
      return isPublic || !isOurs
        ? []
        : [`${ENTRIES[entry] ?? entry}: ${name} names ${symbol.name}, which is not exported`]
    })
  })
  return [...new Set(lines)]
}

/** The symbols that declarations name. The base that the compiler declares for a class is part of the class. */
const named = (checker: Checker, statements: ReadonlyArray<Node>): ReadonlyArray<Symbol> =>
  checker.getSymbolAtLocation(statements.flatMap(identifiersIn)).flatMap((found): ReadonlyArray<Symbol> => {
    if (found === undefined) return []
    const symbol = resolved(checker, found)
    if (symbol.name.endsWith("_base")) return named(checker, declarationsOf(symbol))
    // The type of a constant is complete where it is written.
    return (symbol.flags & SymbolFlags.Variable) !== 0 ? [] : [symbol]
  })

const declarationsOf = ({ declarations }: Symbol): ReadonlyArray<Node> =>
  declarations.flatMap((handle) => {
    const node = handle.resolve()
    return node === undefined ? [] : [statementOf(node)]
  })

const isTopLevel = (node: Node | undefined): boolean =>
  node !== undefined && node.kind !== SyntaxKind.SourceFile && statementOf(node).parent.kind === SyntaxKind.SourceFile

const identifiersIn = (node: Node): ReadonlyArray<Node> => {
  const found: Array<Node> = []
  const visit = (child: Node): void => {
    if (child.kind === SyntaxKind.Identifier && NAMING.has(child.parent.kind)) found.push(child)
    child.forEachChild(visit)
  }
  node.forEachChild(visit)
  return found
}
