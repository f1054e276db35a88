/** docs/troubleshooting.md: each reason, from the table of reasons. */
import type { Explanation } from "../../src/domain/Reason.ts"
import { REASONS_BY_ORIGIN } from "../../src/domain/Reason.ts"
import { code, document, prose, table } from "./markdown.ts"

const HANDLING: Readonly<Record<Explanation["handling"], string>> = {
  Informational: "nothing has failed",
  Retried: "yes",
  Terminal: "no, see above"
}

export const troubleshootingDocument = (): Promise<string> =>
  document("src/domain/Reason.ts", [
    "# Troubleshooting",
    "## Where to look",
    [
      "1. `kubectl get images` shows the condition `Ready` of each Image, and its reason in the column `STATUS`.",
      "2. `kubectl get images -o wide` adds the message. The message names the field or the host, the cause, and the remedy.",
      "3. `kubectl describe image NAME` shows all conditions, the failed tags in `status.failures` with the time of the next attempt, and the Events.",
      "4. `kubectl logs -n skopeo-operator deploy/skopeo-operator | jq 'select(.image == \"NAMESPACE/NAME\")'` shows the operator's log of one Image.",
      "5. Without a cluster, `skopeo-operator sync` prints the reason and the message of each Image, and `skopeo-operator tags REPOSITORY VERSION` says why a tag is selected or not."
    ].join("\n"),
    "## Conditions",
    table(
      ["condition", "present", "meaning"],
      [
        ["`Ready`", "always", "True if the destination has every selected tag"],
        ["`Reconciling`", "while True", "work remains: copies run or wait, or a failure is retried"],
        ["`Stalled`", "while True", "the operator cannot go on before a person changes something"],
        ["`CredentialsUnbound`", "while True", "a warning: credentials were used that are not bound to a registry"],
        ["`CredentialsWithheld`", "while True", "a warning: the operator did not use its own credentials"],
        ["`RegistryWarning`", "while True", "a warning: the text of a registry to its users"]
      ]
    ),
    "An Image that is `Ready` stays `Ready` after a failed check while its last good check is younger than twice `spec.frequency`, or than 10 minutes if that is longer. `Reconciling` then says the cause. A failed copy, or a version that the source no longer has, changes `Ready` at once.",
    "## Reasons",
    'A reason that is retried is retried at growing intervals, see [retries.md](retries.md). A registry\'s own time for the next request comes first. A tag that fails delays no other tag. `kubectl annotate image/NAME skopeo.io/requestedAt="$(date +%s)" --overwrite` retries at once.',
    "A reason that is not retried stays until the Image, the policy or the operator's configuration changes. The operator then goes on by itself.",
    ...REASONS_BY_ORIGIN.flatMap(([heading, reasons]) => [
      `### ${heading}`,
      table(
        ["reason", "meaning", "retried", "do this"],
        Object.entries(reasons).map(([reason, { handling, meaning, remedy }]) => [
          code(reason),
          prose(meaning),
          HANDLING[handling],
          prose(remedy)
        ])
      )
    ])
  ])
