/** What to write instead of a text that is not YAML, for the mistakes that ranges, patterns and regular expressions cause. Pure. */
import type { YAMLParseError } from "yaml"

const QUOTE = "; write the value in single quotes"

/** Whether a value begins with > or |, as the range >=1.2.0 does. YAML takes it for the header of a text of several lines. */
const isBlockHeader = (text: string, at: number): boolean => {
  const line = text.slice(text.lastIndexOf("\n", at - 1) + 1, at)
  return /(?:^|[:-])\s+[>|]\S*$/u.test(line)
}

/** The remedies by the code of the mistake. */
const REMEDIES: Partial<Record<YAMLParseError["code"], string>> = {
  BAD_ALIAS: QUOTE,
  BAD_DQ_ESCAPE: QUOTE,
  BAD_SCALAR_START: QUOTE,
  DUPLICATE_KEY: "; write each key once",
  TAB_AS_INDENT: "; write spaces"
}

/** The remedy for a mistake, as the end of its message. Empty if the message suffices. */
export const yamlRemedy = ({ code, pos: [at] }: Pick<YAMLParseError, "code" | "pos">, text: string): string =>
  code === "UNEXPECTED_TOKEN" && isBlockHeader(text, at) ? QUOTE : (REMEDIES[code] ?? "")
