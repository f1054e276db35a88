/** Compiles `src` for publishing, and bundles the program for the container image: one file starts faster. */
import { execFileSync } from "node:child_process"
import { chmodSync, rmSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { build, type BuildOptions } from "esbuild"

const root = fileURLToPath(new URL("../", import.meta.url))
const at = (path: string): string => `${root}${path}`

rmSync(at("dist"), { recursive: true, force: true })
execFileSync(process.execPath, [at("node_modules/typescript/bin/tsc"), "-p", at("tsconfig.build.json")], {
  stdio: "inherit"
})
chmodSync(at("dist/main.js"), 0o755)

const bundled = {
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node22",
  minify: true,
  legalComments: "linked",
  // Packages in CommonJS call require; ES modules have none of their own.
  banner: {
    js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);'
  },
  logLevel: "warning"
} satisfies BuildOptions

// The kubeconfig reader is large and of no use in a pod: a file of its own, read only where there is a kubeconfig.
// (esbuild's own splitting breaks packages that re-export CommonJS.)
await build({
  ...bundled,
  stdin: {
    contents: 'export { KubeConfig } from "@kubernetes/client-node"',
    resolveDir: root,
    sourcefile: "kubeconfig.js"
  },
  outfile: at("dist/bundle/kubeconfig.mjs")
})
await build({
  ...bundled,
  entryPoints: [at("src/main.ts")],
  outfile: at("dist/bundle/program.mjs"),
  plugins: [
    {
      name: "kubeconfig",
      setup: ({ onResolve }) =>
        onResolve({ filter: /^@kubernetes\/client-node$/ }, () => ({ path: "./kubeconfig.mjs", external: true }))
    }
  ]
})

// What V8 makes of the program is kept beside it: to compile it anew would take a third of the time until it is ready.
// A cache is good for the user who made it, on the same machine and Node.js; where none can be written there is none.
writeFileSync(
  at("dist/bundle/main.mjs"),
  `import { enableCompileCache } from "node:module"
import { fileURLToPath } from "node:url"
enableCompileCache(fileURLToPath(new URL("cache", import.meta.url)))
await import("./program.mjs")
`
)
execFileSync(process.execPath, [at("dist/bundle/main.mjs"), "--version"])
