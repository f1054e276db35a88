/** charts/skopeo-operator/README.md: how to install the chart, and its values. */
import { chartValues } from "./chartValues.ts"
import { code, document, prose, table } from "./markdown.ts"

const REPOSITORY = "https://github.com/tchoupinax/skopeo-operator"
const page = (path: string): string => `${REPOSITORY}/blob/main/docs/${path}`

const shell = (...lines: ReadonlyArray<string>): string => ["```sh", ...lines, "```"].join("\n")

export const chartReadme = (valuesYaml: string): Promise<string> =>
  document("charts/skopeo-operator/values.yaml", [
    "# skopeo-operator",
    `The chart of [skopeo-operator](${REPOSITORY}), which keeps container images copied from one registry to another. It needs Kubernetes 1.30 or later.`,
    shell(
      "helm upgrade --install skopeo-operator charts/skopeo-operator -n skopeo-operator --create-namespace \\",
      "  --set config.pullJobNamespace=skopeo-operator-jobs --set jobNamespace.create=true"
    ),
    "All values have defaults. With the two values above, the Jobs that copy have a namespace of their own. A value that does not exist, or has another type, is refused and named.",
    [
      `- [Installation](${page("install.md")}): existing Secrets, private certificates, proxies, several releases, GitOps.`,
      `- [Configuration](${page("configuration.md")}): the variables of the operator, and the value that sets each.`,
      `- [Jobs and replicas](${page("jobs.md")}), [policy of a shared cluster](${page("policy.md")}), [security](${page("security.md")}).`,
      `- [Removal](${page("uninstall.md")}): the CRD, the Images and the copied tags stay.`
    ].join("\n"),
    "## Values",
    table(
      ["value", "default", "meaning"],
      chartValues(valuesYaml).map(({ meaning, path, value }) => [code(path), code(value ?? ""), prose(meaning)])
    )
  ])
