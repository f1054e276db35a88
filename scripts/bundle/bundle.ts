/** Puts the program and all it needs of its packages in a few files: it starts faster, and needs less memory. */
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
  // An import within a vm.Script is experimental, and says so; require is there in any case.
  supported: { "dynamic-import": false },
  minify: true,
  legalComments: "linked",
  logLevel: "warning"
} satisfies BuildOptions

/** What `main.cjs` takes for the program: a function. Nothing but ASCII, for V8 keeps a text with more at twice the size. */
const asFunction = (module: string): string =>
  `(function(require,__filename){${module.replace(/^#!.*\n/u, "")}\n})`
    // esbuild escapes all but regular expressions, where this means the same.
    .replaceAll(/[^\0-\u007F]/gu, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`)

export const bundle = async (directory: string): Promise<void> => {
  // The kubeconfig reader is large and of no use in a pod: a file of its own, read only where there is a kubeconfig.
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
