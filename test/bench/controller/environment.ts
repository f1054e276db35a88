/** The cluster and the registries of the environment, as the end-to-end tests use them (see CONTRIBUTING.md). */
import { CLUSTER } from "../../support/cluster.ts"
import { onPath } from "../../support/programs.ts"

const variable = (name: string): string => process.env[name] ?? ""

/** The registries: their addresses for this machine and for pods. */
export const REGISTRIES = {
  source: variable("E2E_SOURCE"),
  sourceInCluster: variable("E2E_SOURCE_IN_CLUSTER"),
  destination: variable("E2E_DESTINATION"),
  destinationInCluster: variable("E2E_DESTINATION_IN_CLUSTER")
}

/** The variables and the programs that a row needs. */
export interface Needs {
  readonly variables: Readonly<Record<string, string>>
  readonly programs: ReadonlyArray<string>
}

export const NOTHING: Needs = { variables: {}, programs: [] }

/** For an operator that is a process of this machine. */
export const API_SERVER: Needs = {
  variables: {
    KUBECONFIG: CLUSTER.kubeconfig,
    E2E_SOURCE: REGISTRIES.source,
    E2E_DESTINATION: REGISTRIES.destination
  },
  programs: ["kubectl"]
}

/** For an operator that the chart installs in the cluster. */
export const WHOLE_CLUSTER: Needs = {
  variables: {
    ...API_SERVER.variables,
    E2E_OPERATOR_IMAGE: CLUSTER.operatorImage,
    E2E_SKOPEO_IMAGE: CLUSTER.skopeoImage,
    E2E_SOURCE_IN_CLUSTER: REGISTRIES.sourceInCluster,
    E2E_DESTINATION_IN_CLUSTER: REGISTRIES.destinationInCluster
  },
  programs: ["kubectl", "helm"]
}

/** A sentence about everything that is missing. Empty if nothing is missing. */
export const missingFor = (needs: ReadonlyArray<Needs>): string => {
  const variables = needs.flatMap((need) =>
    Object.entries(need.variables).flatMap(([name, value]) => (value === "" ? [name] : []))
  )
  const programs = needs.flatMap((need) => need.programs.filter((program) => !onPath(program)))
  const parts = [
    ...(variables.length === 0 ? [] : [`${list(variables)} in the environment`]),
    ...(programs.length === 0 ? [] : [`${list(programs)} on PATH`])
  ]
  return parts.length === 0 ? "" : `the bench needs ${parts.join(", and ")}; CONTRIBUTING.md describes the cluster`
}

const list = (names: ReadonlyArray<string>): string => [...new Set(names)].join(", ")
