/** Describes AWS's refusals, which are JSON or XML. Pure. */
import { Redacted } from "effect"
import { boundedLine } from "../text/line.ts"
import { redact } from "../text/redact.ts"
import type { AwsAnswer } from "./AwsHttp.ts"

const CODE = /"(?:__type|code)"\s*:\s*"([^"]*)"|<Code>([^<]*)<\/Code>/iu
const MESSAGE = /"message"\s*:\s*"((?:[^"\\]|\\.)*)"|<Message>([^<]*)<\/Message>/iu

/** Describes a refusal, to be read after the name of the service. The secrets of the request are redacted. */
export const describeRefusal = (
  { status, text }: AwsAnswer,
  secrets: ReadonlyArray<Redacted.Redacted> = []
): string => {
  const said = [CODE.exec(text), MESSAGE.exec(text)]
    .map((found) => (found?.[1] ?? found?.[2] ?? "").replace(/^.*#/u, ""))
    .filter(Boolean)
  const words = redact(said.join(": "), secrets.map(Redacted.value))
  return `answered ${status}${words === "" ? "" : ` ${boundedLine(words, 400)}`}`
}
