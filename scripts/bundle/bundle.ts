/**
 * Bundles the program and the needed parts of its packages, which start faster and need less memory than many files. The parts
 * that every command needs are one file. A part that an `import()` names is a file that is loaded when that line runs.
 */
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { basename, join } from "node:path"
import { fileURLToPath } from "node:url"
import { build, type BuildOptions, type Metafile, type OutputFile, transform } from "esbuild"
import { asBody, namesOf } from "./functionBody.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))

/**
 * Packages that are large and that most commands do not need. They are parts of their own, because esbuild's splitting breaks
 * modules that re-export CommonJS.
 */
const PACKAGES = [
  {
    name: "kubeconfig",
    imported: /^@kubernetes\/client-node$/,
    contents: 'export { KubeConfig } from "@kubernetes/client-node"'
  },
  // Effect's module `Undici` re-exports the package.
  { name: "undici", imported: /^\.\/Undici\.js$/, contents: 'module.exports = require("undici")' }
]

const bundled = {
  bundle: true,
  platform: "node",
  target: "node22",
  minifySyntax: true,
  legalComments: "linked",
  logLevel: "warning",
  outdir: "parts",
  // The hash distinguishes the compiled code of releases.
  entryNames: "[name]-[hash]",
  write: false
} satisfies BuildOptions

/** Work that Effect does when it is loaded, and what takes its place. */
const PATCHES = [
  {
    // ICU needs 9 ms to make a segmenter. Only help texts need it.
    file: /\/effect\/dist\/cli\/CliOutput\.js$/u,
    from: /^const graphemeSegmenter = (?:\/\*#__PURE__\*\/)?(new Intl\.Segmenter\([^)]*\));$/mu,
    to: "let segmenter; const graphemeSegmenter = { segment: (text) => (segmenter ??= $1).segment(text) };"
  },
  // Effect tries how stack traces show a function. In Node.js they show the key of a property as the name of a function without a
  // name, as all are in the bundle, so the trace has the key, but no "[as KEY]". To write a trace, V8 parses the bundle for 3 ms.
  {
    file: /\/effect\/dist\/Utils\.js$/u,
    from: /\berror\.stack\?\.includes\(InternalTypeId\) === true/u,
    to: "true"
  },
  {
    file: /\/effect\/dist\/internal\/effect\.js$/u,
    from: /\berror\.stack\?\.includes\("\[as " \+ marker \+ "\]"\) === true/u,
    to: "false"
  }
]

/**
 * Modules of Node.js that take 2 ms to load together and that most commands do not need. Their functions load them when they are
 * first called.
 */
const LATE_MODULES = /^node:(?:child_process|fs.promises)$/

/** The functions of a module, each of which loads the module. */
const lateModule = (id: string): string =>
  Object.entries(createRequire(import.meta.url)(id))
    .filter(([, value]) => typeof value === "function")
    .map(([name]) => `export const ${name} = (...args) => require("${id}").${name}(...args)`)
    .join("\n")

/** An import from an index of Effect's packages, such as `import { Option, pipe } from "effect"`. */
const INDEX_IMPORT = /^import \{(?<names>[^}]*)\} from "(?<index>effect(?:\/[a-z]+)?|@effect\/platform-node)"$/gmu

/**
 * A module of this project that imports Effect's modules one by one, as `import * as Option from "effect/Option"`. An index has
 * each module as an object with all its exports, so that esbuild keeps them all.
 */
const withDirectImports = (text: string): string =>
  text.replaceAll(INDEX_IMPORT, (_, names: string, index: string) => {
    const directory = join(root, "node_modules", index.replace(/^effect|platform-node$/u, "$&/dist"))
    return namesOf(names)
      .filter(([name]) => !name.startsWith("type "))
      .map(([name, local]) =>
        existsSync(join(directory, `${name}.js`))
          ? `import * as ${local} from "${index}/${name}"`
          : `import { ${name} as ${local} } from "${index}"`
      )
      .join("; ")
  })

const FILES = ["kubectl-image.cjs", "main.cjs"]

/** A part as a property of the object in its file, for `parts.cjs`: a function that takes its `require`. */
const asProperty = async ({ path, text }: OutputFile): Promise<string> => {
  const { code } = await transform(asBody(text.replace(/^#!.*\n/u, "")), {
    // Without ES modules' syntax, which this format then refuses.
    format: "cjs",
    platform: "node",
    target: "node22",
    // An import within a vm.Script prints a warning because it is experimental. require is always available.
    supported: { "dynamic-import": false },
    minify: true
  })
  // Only ASCII, because V8 holds any other text at twice the size. esbuild escapes everything except regular expressions, in
  // which an escape has the same meaning. V8 compiles a function in parentheses at once.
  return `"${basename(path)}":(function(require,module,exports,__filename,__dirname){${code}})`.replaceAll(
    /[^\0-\u007F]/gu,
    (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`
  )
}

const isPart = ({ path }: OutputFile): boolean => path.endsWith(".js")

/** The names of the parts that a part imports, and that these import, with its own. */
const closureOf = (outputs: Metafile["outputs"], path: string): ReadonlySet<string> => {
  const paths = new Set([path])
  for (const each of paths) {
    for (const { kind, path } of outputs[each]?.imports ?? [])
      if (kind === "import-statement" && path in outputs) paths.add(path)
  }
  return new Set([...paths].map((each) => basename(each)))
}

const ofPackage = async ({ contents, imported, name }: (typeof PACKAGES)[number]) => {
  const stdin = { contents, resolveDir: root, sourcefile: `${name}.js` }
  const entryNames = `${name}-[hash]`
  const { outputFiles } = await build({ ...bundled, entryNames, format: "cjs", stdin })
  const part = outputFiles.find(isPart)
  if (part === undefined) throw new Error(`esbuild wrote no part for ${name}`)
  return { imported, part: `./${basename(part.path)}`, outputFiles }
}

/** Writes a script of the loader, which is for a program whose main part has the given name. */
export const writeLoader = async (name: string, main: string, outfile: string): Promise<void> => {
  await build({
    entryPoints: [fileURLToPath(new URL(name, import.meta.url))],
    bundle: true,
    platform: "node",
    target: "node22",
    format: "cjs",
    minifySyntax: true,
    logLevel: "warning",
    define: { MAIN: JSON.stringify(main) },
    outfile
  })
}

/** Writes the bundle to a directory, and gives the name of the main part. */
export const bundle = async (directory: string): Promise<string> => {
  const packages = await Promise.all(PACKAGES.map(ofPackage))
  const program = await build({
    ...bundled,
    entryPoints: [join(root, "src/main.ts")],
    format: "esm",
    splitting: true,
    metafile: true,
    plugins: [
      {
        name: "patches",
        setup: ({ onLoad }) =>
          onLoad({ filter: /(?:CliOutput|Utils|effect)\.js$/ }, ({ path }) => {
            const patch = PATCHES.find(({ file }) => file.test(path))
            if (patch === undefined) return undefined
            const text = readFileSync(path, "utf8")
            if (!patch.from.test(text)) throw new Error(`${path} has changed; correct or remove its patch`)
            return { contents: text.replace(patch.from, patch.to) }
          })
      },
      {
        name: "late modules",
        setup: ({ onLoad, onResolve }) => {
          onResolve({ filter: LATE_MODULES }, ({ kind, path }) =>
            kind === "import-statement" ? { path, namespace: "late" } : undefined
          )
          onLoad({ filter: /^/, namespace: "late" }, ({ path }) => ({ contents: lateModule(path) }))
        }
      },
      {
        name: "direct imports",
        setup: ({ onLoad }) =>
          onLoad({ filter: /\/src\/.*\.ts$/ }, ({ path }) => ({
            contents: withDirectImports(readFileSync(path, "utf8")),
            loader: "ts"
          }))
      },
      {
        name: "packages",
        setup: ({ onResolve }) => {
          for (const { imported, part } of packages) {
            onResolve({ filter: imported }, () => ({ path: part, external: true }))
          }
        }
      }
    ]
  })
  const { outputs } = program.metafile
  const path = Object.keys(outputs).find((each) => /^main-\w+\.js$/u.test(basename(each)))
  if (path === undefined) throw new Error("esbuild wrote no main part")
  const main = basename(path)
  const started = closureOf(outputs, path)
  const files = [...packages, program].flatMap(({ outputFiles }) => outputFiles)
  const written = new Map<string, Array<string>>()
  for (const file of files.filter(isPart)) {
    const name = basename(file.path)
    const at = started.has(name) ? main : name
    written.set(at, [...(written.get(at) ?? []), await asProperty(file)])
  }
  mkdirSync(directory, { recursive: true })
  for (const [name, properties] of written) writeFileSync(join(directory, name), `({${properties.join(",\n")}})`)
  for (const file of files) if (!isPart(file)) writeFileSync(join(directory, basename(file.path)), file.text)
  for (const name of FILES) copyFileSync(new URL(name, import.meta.url), join(directory, name))
  await writeLoader("start.cjs", main, join(directory, "start.cjs"))
  for (const name of FILES) chmodSync(join(directory, name), 0o755)
  return main
}
