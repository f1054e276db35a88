/** The fields and the messages of the log, for docs/observe.md. A test compares the messages with the source. */
import { withMadePart } from "./madePart.ts"
import { code, prose, table } from "./markdown.ts"

/** The fields of a line, in the order of their frequency. */
export const FIELDS: Readonly<Record<string, string>> = {
  timestamp: "The time of the line, in UTC with milliseconds.",
  level: "DEBUG, INFO, WARN, ERROR or FATAL.",
  message: "One of the messages below.",
  image: "The Image, as namespace/name. Every line about an Image has it.",
  tag: "The tag at the destination.",
  digest: "The digest of the manifest.",
  source: "The reference of the source, with the digest.",
  destination: "The reference of the destination, with the tag.",
  attempt: "The number of the attempt, from 1 on: of a copy, of a check that has failed, or of a watch.",
  reason: "The reason of a failure, as in conditions, or a short cause.",
  error: "The cause in full, with the remedy. Secrets are redacted.",
  count: "How many tags or Images the line is about.",
  job: "The Job of a copy, as namespace/name.",
  registry: "The host of a registry.",
  resource: "Another object or request: a Lease, the plural of a watched kind, or a method with its path.",
  trace_id: "The trace, while traces are exported.",
  span_id: "The span of the trace.",
  cause: "The stack of an unexpected error."
}

/** The lowest level of a message, and what it says. The messages of commands that are no service are not listed. */
export const MESSAGES: Readonly<Record<string, readonly [level: string, meaning: string]>> = {
  "copy started": ["INFO", "A copy has left the queue of its engine, or its Job is created."],
  copied: ["INFO", "A copy has succeeded, and the status has it."],
  "already present": ["INFO", "A copy found its tag at the destination, and had nothing to do."],
  "copy failed": ["WARN", "A copy has failed, and is retried. DEBUG if it failed in this way before."],
  "copy not started yet": ["INFO", "The engine refuses to start copies for now."],
  "check failed": ["WARN", "A check has failed, and is retried. DEBUG if it failed in this way before."],
  "reconcile failed": ["WARN", "The API server or the engine has failed, and the reconcile is retried."],
  "reconcile died": ["ERROR", "A defect of the operator. The reconcile is retried. Please report it."],
  "controller stopped": ["ERROR", "The controller has ended, and the process with it."],
  "registry notice": ["WARN", "A registry has sent a text to its users."],
  "request answered": ["DEBUG", "A registry has answered a request."],
  "Job not looked up": ["WARN", "A Job could not be read, and is read again."],
  "Job not deleted": ["WARN", "A Job could not be deleted, and is deleted again."],
  "finished Job not tidied up": ["WARN", "The lifetime of a finished Job could not be shortened, and is tried again."],
  "pods of a Job not looked up": ["WARN", "The pods of a Job could not be listed, and are listed again."],
  "event not written": ["WARN", "The API server has refused an Event. The next failures in a row have no line."],
  "notification not sent": ["WARN", "A notification has failed or was dropped. DEBUG for the next failures in a row."],
  "traces not sent": ["WARN", "A batch of spans has failed or was dropped. The next failures in a row have no line."],
  "token not read": ["WARN", "The token for the API server could not be read again, and the last one is used."],
  "watch interrupted": ["WARN", "A list or watch of the API server has failed, and begins again after a pause."],
  "all Images listed": ["INFO", "The process takes part in the election from now on."],
  "this process leads": ["INFO", "The process has the Lease, and begins to work."],
  "another process leads": ["INFO", "Another process has the Lease."],
  "this process no longer leads": ["WARN", "The process has lost the Lease, and stops its work."],
  "lease not read or written": [
    "WARN",
    "The Lease could not be read or written. The same error has one line a minute."
  ],
  "lease not released; it will expire": ["WARN", "The process ends, and another one waits until the Lease expires."],
  "the leader's work has not stopped in time; the process exits": ["FATAL", "The process ends with 1."],
  "policy changed": ["INFO", "The file of the policy has new rules, which apply."],
  "policy not read, the last valid policy stays": ["ERROR", "The file of the policy has a mistake."],
  "Images read": ["INFO", "sync --watch: the files were read at the start."],
  "Image added": ["INFO", "sync --watch: a file has a new Image."],
  "Image changed": ["INFO", "sync --watch: the spec of an Image has changed."],
  "Image removed": ["INFO", "sync --watch: no file has the Image any more. Its tags stay at the destination."],
  "files not used; the Images stay as they were": ["WARN", "sync --watch: a changed file has a mistake."],
  "state not read; every Image is checked again": [
    "WARN",
    "sync --watch: the file of the status is damaged, or may not be read."
  ],
  "state not written": ["WARN", "sync --watch: the file of the status could not be written."]
}

const logs = (): string =>
  [
    table(
      ["field", "meaning"],
      Object.entries(FIELDS).map(([field, meaning]) => [code(field), prose(meaning)])
    ),
    table(
      ["message", "level", "meaning"],
      Object.entries(MESSAGES).map(([message, [level, meaning]]) => [code(message), level, prose(meaning)])
    )
  ].join("\n\n")

/** @param written the document as it is */
export const withLogs = (written: string): Promise<string> =>
  withMadePart("docs/observe.md", written, "scripts/documents/logs.ts", logs())
