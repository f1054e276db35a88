/** The API server's refusals, in words for the user of a command. */
import type { KubeError } from "../../kube/KubeClient.ts"
import { CommandFailure } from "../CommandFailure.ts"
import { FAILED } from "../exitCodes.ts"

const failed = (detail: string) => new CommandFailure({ exitCode: FAILED, detail })

/** The failure of a command whose request the API server refused or did not answer. */
export const failureOf = (error: KubeError): CommandFailure => failed(describeRefusal(error))

/** {@link failureOf} of a list of Images. A list has no 404 of its own: the API server does not know the kind. */
export const failureOfList = (error: KubeError): CommandFailure =>
  error.code === 404
    ? failed(
        "the cluster has no CustomResourceDefinition of Images; install the chart, or run: skopeo-operator crd | kubectl apply -f -"
      )
    : failureOf(error)

/** A sentence with the remedy. */
export const describeRefusal = ({ code, detail, reason }: KubeError): string => {
  switch (code) {
    case 0:
      return `the API server does not answer: ${detail}; see whether kubectl reaches the cluster of this context`
    case 401:
      return `the API server does not accept the credentials of this context (${detail}); log in again, or name another context with --context`
    case 403:
      return `${detail}; ask the owner of the cluster for a role with this verb`
    default:
      return `${detail} (${reason})`
  }
}
