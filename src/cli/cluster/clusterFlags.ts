/** The flags and arguments of the commands for a cluster. They are kubectl's. */
import { Argument, Flag } from "effect/cli"
import { textFlag } from "../textFlag.ts"

/** The flags that name the cluster. */
export const accessFlags = {
  kubeconfig: textFlag("kubeconfig").pipe(
    Flag.withMetavar("FILE"),
    Flag.withDescription("A kubeconfig file. Default $KUBECONFIG, then ~/.kube/config, then the pod's service account"),
    Flag.optional
  ),
  context: textFlag("context").pipe(
    Flag.withMetavar("NAME"),
    Flag.withDescription("A context of the kubeconfig. Default the current context"),
    Flag.optional
  )
}

/** The flags and arguments that choose Images. */
export const selectionFlags = {
  names: Argument.String("NAME").pipe(
    Argument.withDescription("The name of an Image, also as image/NAME"),
    Argument.variadic()
  ),
  namespace: textFlag("namespace").pipe(
    Flag.withAlias("n"),
    Flag.withMetavar("NAME"),
    Flag.withDescription("The namespace. Default the namespace of the context"),
    Flag.optional
  ),
  allNamespaces: Flag.Boolean("all-namespaces").pipe(
    Flag.withAlias("A"),
    Flag.withDescription("All namespaces"),
    Flag.withDefault(false)
  ),
  selector: textFlag("selector").pipe(
    Flag.withAlias("l"),
    Flag.withMetavar("SELECTOR"),
    Flag.withDescription("Chooses by labels, such as team=a,tier!=test"),
    Flag.optional
  )
}

/** The flag of the commands that change Images. They change all Images of a namespace only if the user says so. */
export const allFlag = Flag.Boolean("all").pipe(
  Flag.withDescription("All Images of the namespace, or of all namespaces with -A"),
  Flag.withDefault(false)
)
