/**
 * Bundles the program and the needed parts of its packages into a few files, which start faster and need less memory.
 */
import { copyFileSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { build, type BuildOptions } from "esbuild"

const root = fileURLToPath(new URL("../../", import.meta.url))

const bundled = {
  bundle: true,
  format: "cjs",
  platform: "node",
  target: "node22",
  // An import within a vm.Script prints a warning because it is experimental. require is always available.
  supported: { "dynamic-import": false },
  minify: true,
  legalComments: "linked",
  logLevel: "warning"
} satisfies BuildOptions

/** The program as a function for `main.cjs`. Only ASCII, because V8 holds any other text at twice the size. */
const asFunction = (module: string): string =>
  `(function(require,__filename){${module.replace(/^#!.*\n/u, "")}\n})`
    // esbuild escapes everything except regular expressions, in which an escape has the same meaning.
    .replaceAll(/[^\0-\u007F]/gu, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`)

export const bundle = async (directory: string): Promise<void> => {
  // The kubeconfig reader is large and not needed in a pod. It has its own file, which is read only for a kubeconfig.
  // (esbuild's own splitting breaks packages that re-export CommonJS.)
  await build({
    ...bundled,
    stdin: {
      contents: 'export { KubeConfig } from "@kubernetes/client-node"',
      resolveDir: root,
      sourcefile: "kubeconfig.js"
    },
    outfile: join(directory, "kubeconfig.cjs")
  })
  const program = join(directory, "program.js")
  await build({
    ...bundled,
    entryPoints: [join(root, "src/main.ts")],
    outfile: program,
    plugins: [
      {
        name: "kubeconfig",
        setup: ({ onResolve }) =>
          onResolve({ filter: /^@kubernetes\/client-node$/ }, () => ({ path: "./kubeconfig.cjs", external: true }))
      }
    ]
  })
  writeFileSync(program, asFunction(readFileSync(program, "utf8")))
  copyFileSync(new URL("main.cjs", import.meta.url), join(directory, "main.cjs"))
}
