/** The table of Events in docs/notifications.md. */
import { EVENTS } from "../../src/domain/plan/events.ts"
import { withMadePart } from "./madePart.ts"
import { code, prose, table } from "./markdown.ts"

const events = (): string =>
  table(
    ["reason", "type", "reported when"],
    Object.entries(EVENTS).map(([reason, { type, when }]) => [code(reason), code(type), prose(when)])
  )

/** @param written the document as it is */
export const notificationsDocument = (written: string): Promise<string> =>
  withMadePart("docs/notifications.md", written, "src/domain/plan/events.ts", events())
