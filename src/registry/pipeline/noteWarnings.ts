/** The stage that records the warnings of a registry. */
import { Effect, Redacted } from "effect"
import { excerpt } from "../../text/line.ts"
import { withoutBrought, withoutSecrets } from "../RepositoryAccess.ts"
import type { Notices } from "./notices.ts"
import type { RegistryRequest, RegistryResponse, Stage } from "./request.ts"

/** Records the `Warning: 299 - "…"` headers, with which a registry informs its users. */
export const noteWarnings =
  (notices: Notices): Stage =>
  (next) =>
  (request) =>
    Effect.tap(next(request), (response) => {
      const { repository } = request.access
      return Effect.forEach(
        warningsIn(request, response),
        (text) => notices.record(repository, { message: `${repository.registry} says: ${text}` }),
        { discard: true }
      )
    })

/** The texts of an answer's warnings, with the secrets of the request redacted. */
const warningsIn = (
  { access, authorization }: RegistryRequest,
  { headers }: RegistryResponse
): ReadonlyArray<string> => {
  const header = authorization === undefined ? undefined : Redacted.value(authorization)
  return [...(headers["warning"] ?? "").matchAll(/\b299 \S+ "((?:[^"\\]|\\.)*)"/gu)]
    .map(([, text = ""]) => excerpt(withoutSecrets(withoutBrought(text.replaceAll(/\\(.)/gu, "$1"), header), access)))
    .filter((text) => text !== "")
}
