/**
 * Writes the generated files: the CRD, the chart's copy of the CRD, its schema and its README, the JSON Schemas of the commands' documents, the version in
 * the source, the picture of the layers, and the documents that come from the source. With --check it writes nothing, and fails
 * if a file differs.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { crdYaml } from "../src/cli/Crd.ts"
import { jsonSchemaOf } from "../src/cli/jsonSchema.ts"
import { PlanResult } from "../src/cli/PlanResult.ts"
import { SyncResult } from "../src/cli/SyncResult.ts"
import { reportApi } from "./api.ts"
import { drawArchitecture, readSources } from "./architecture.ts"
import { chartReadme } from "./documents/chartReadme.ts"
import { chartSchema } from "./documents/chartSchema.ts"
import { commandsDocument } from "./documents/commands.ts"
import { configurationDocument } from "./documents/configuration.ts"
import { fieldsDocument } from "./documents/fields.ts"
import { jsonDocument } from "./documents/markdown.ts"
import { patternsDocument } from "./documents/patterns.ts"
import { troubleshootingDocument } from "./documents/troubleshooting.ts"

const root = new URL("../", import.meta.url)
const header = "# Made from src/domain/Image.ts by: npm run generate\n"
const version = /^ {2}"version": "([^"]+)"/mu.exec(readFileSync(new URL("package.json", root), "utf8"))?.[1] ?? ""

/**
 * The CRD is in `templates/` and is kept. An upgrade from a chart with the CRD elsewhere would delete it and all
 * Images.
 */
const keptCrd = crdYaml().replace(
  /^metadata:\n {2}name: (.*)\n/mu,
  "metadata:\n  name: $1\n  annotations:\n    helm.sh/resource-policy: keep\n"
)
const chartCrd = `{{- if eq (include "skopeo-operator.createsCrd" .) "true" }}\n${header}${keptCrd}{{- end }}\n`

const chartValues = readFileSync(new URL("charts/skopeo-operator/values.yaml", root), "utf8")
const api = reportApi(fileURLToPath(root))

const files: Readonly<Record<string, string>> = {
  "crds/skopeo.io_images.yaml": header + crdYaml(),
  "charts/skopeo-operator/templates/crd.yaml": chartCrd,
  "charts/skopeo-operator/values.schema.json": await jsonDocument(chartSchema(chartValues)),
  "charts/skopeo-operator/README.md": await chartReadme(chartValues),
  "schemas/plan.v1.json": jsonSchemaOf(PlanResult),
  "schemas/sync-result.v1.json": jsonSchemaOf(SyncResult),
  "src/version.ts": `/** The version of package.json; written by \`npm run generate\`. */\nexport const version = "${version}"\n`,
  "docs/architecture.svg": drawArchitecture(readSources(fileURLToPath(new URL("src", root)))),
  ...Object.fromEntries(Object.entries(api.files).map(([file, content]) => [`docs/api/${file}`, content])),
  "docs/commands.md": await commandsDocument(),
  "docs/configuration.md": await configurationDocument(chartValues),
  "docs/fields.md": await fieldsDocument(),
  "docs/patterns.md": await patternsDocument(),
  "docs/troubleshooting.md": await troubleshootingDocument()
}

const check = process.argv.includes("--check")
let drifted = false
for (const [file, content] of Object.entries(files)) {
  const url = new URL(file, root)
  if (!check) {
    mkdirSync(new URL(".", url), { recursive: true })
    writeFileSync(url, content)
    continue
  }
  let found = ""
  try {
    found = readFileSync(url, "utf8")
  } catch {
    // A missing file counts as different.
  }
  if (found === content) continue
  drifted = true
  console.error(`${file} is not what npm run generate writes; run it and commit the result`)
}
for (const line of api.unnamed) console.error(`${line}; export the type from that entry`)
process.exitCode = drifted || api.unnamed.length > 0 ? 1 : 0
