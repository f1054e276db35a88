/** docs/configuration.md: the environment variables, and the values of the chart. */
import { chartValues } from "./chartValues.ts"
import { code, document, prose, table } from "./markdown.ts"
import { VARIABLE_GROUPS } from "./variables.ts"

export const configurationDocument = (valuesYaml: string): Promise<string> =>
  document("scripts/documents/variables.ts and charts/skopeo-operator/values.yaml", [
    "# Configuration",
    "Environment variables configure the operator and the commands. The chart sets the variables from its values. A variable that is empty counts as not set. A mistake in a variable ends the start with exit code 2, and the message names the variable, the value and the remedy.",
    "- [Variables](#variables)\n- [Values of the chart](#values-of-the-chart)",
    "[credentials.md](credentials.md) explains credentials, [registries.md](registries.md) explains rate limits, proxies and private hosts, and [jobs.md](jobs.md) explains Jobs, their namespace and several replicas.",
    "## Variables",
    ...VARIABLE_GROUPS.flatMap(({ title, variables }) => {
      const hasChart = variables.some(({ chart }) => chart !== undefined)
      return [
        `### ${title}`,
        table(
          ["variable", "default", "meaning", ...(hasChart ? ["value of the chart"] : [])],
          variables.map(({ chart, meaning, name, otherwise, value }) => [
            code(name),
            value === undefined ? (otherwise ?? "") : code(value),
            prose(meaning),
            ...(hasChart ? [code(chart ?? "")] : [])
          ])
        )
      ]
    }),
    "## Values of the chart",
    "[values.yaml](../charts/skopeo-operator/values.yaml) has the same texts.",
    table(
      ["value", "default", "meaning"],
      chartValues(valuesYaml).map(({ meaning, path, value }) => [code(path), code(value ?? ""), prose(meaning)])
    )
  ])
