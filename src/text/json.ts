/** Bounds of JSON texts of strangers, which are judged before a text is parsed. */

const [COMMA, BRACKET, BRACE] = Buffer.from(",[{")

/**
 * An upper bound of the number of values in a JSON text: every value but the first follows a comma or opening bracket. A bound
 * in bytes is not enough: 8 MiB of `{},` take 260 MB once they are parsed.
 */
export const mostValuesIn = (json: Uint8Array): number => {
  let count = 1
  // An iterator of bytes takes six times as long.
  for (let at = 0; at < json.length; at += 1) {
    const byte = json[at]
    if (byte === COMMA || byte === BRACKET || byte === BRACE) count += 1
  }
  return count
}
