/**
 * `npm run release:chart`: packs the chart into a directory, with the index.yaml that makes the directory a chart repository. Other
 * packed charts of the directory are in the index too. Prints the file of the packed chart.
 *
 *   --url URL         where the directory will be served; default: the project's pages
 *   --directory DIR   default: dist/charts
 *   --merge FILE      the index.yaml of earlier releases, whose charts stay in the index
 */
import { spawnSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { parseDocument } from "yaml"

const chart = fileURLToPath(new URL("../charts/skopeo-operator", import.meta.url))

/** Says why nothing is made, and ends. */
const stop = (reason: string): never => {
  console.error(`release:chart: ${reason}`)
  process.exit(2)
}

const helm = (...args: ReadonlyArray<string>): void => {
  const { error, status, stderr } = spawnSync("helm", [...args], { encoding: "utf8" })
  if (error !== undefined) stop(`helm is needed on PATH and was not started: ${error.message}`)
  if (status !== 0) stop(`helm ${args[0] ?? ""} failed: ${stderr.trim()}`)
}

const options = () => {
  try {
    const { values } = parseArgs({
      options: {
        url: { type: "string", default: "https://tchoupinax.github.io/skopeo-operator" },
        directory: { type: "string", default: fileURLToPath(new URL("../dist/charts", import.meta.url)) },
        merge: { type: "string" }
      }
    })
    return values
  } catch (error) {
    return stop(error instanceof Error ? error.message : String(error))
  }
}

const { directory, merge, url } = options()
if (!URL.canParse(url)) stop(`--url: ${JSON.stringify(url)} is no URL; write https://HOST/PATH`)
if (merge !== undefined && !existsSync(merge)) stop(`--merge: ${merge} does not exist`)

const metadata = parseDocument(readFileSync(join(chart, "Chart.yaml"), "utf8"))
const output = resolve(directory)
helm("package", chart, "--destination", output)
helm("repo", "index", output, "--url", url, ...(merge === undefined ? [] : ["--merge", resolve(merge)]))
console.log(join(output, `${String(metadata.get("name"))}-${String(metadata.get("version"))}.tgz`))
