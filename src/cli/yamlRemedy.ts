/** What to write instead of a text that is not YAML, for the mistakes that ranges, patterns and regular expressions cause. Pure. */
import type { YAMLParseError } from "yaml"

const QUOTE = "; write the value in single quotes"

/** Whether a value begins with > or |, as the range >=1.2.0 does. YAML takes it for the header of a text of several lines. */
const isBlockHeader = (text: string, at: number): boolean => {
  const line = text.slice(text.lastIndexOf("\n", at - 1) + 1, at)
  return /(?:^|[:-])\s+[>|]\S*$/u.test(line)
}

/** The remedy for a mistake, as the end of its message. Empty if the message suffices. */
export const yamlRemedy = ({ code, pos: [at] }: Pick<YAMLParseError, "code" | "pos">, text: string): string => {
  switch (code) {
    case "BAD_ALIAS":
    case "BAD_DQ_ESCAPE":
    case "BAD_SCALAR_START":
      return QUOTE
    case "DUPLICATE_KEY":
      return "; write each key once"
    case "TAB_AS_INDENT":
      return "; write spaces"
    case "UNEXPECTED_TOKEN":
      return isBlockHeader(text, at) ? QUOTE : ""
    default:
      return ""
  }
}
