import { Effect } from "effect"
import { type Attack, specOf } from "../Attack.ts"
import { Content } from "../Content.ts"
import { hostileRegistry, respond, respondError, respondJson } from "../HostileRegistry.ts"

/** A title, a cleared screen, a colour, a C1 sequence, a change of direction, a link, and separators. */
const WORDS =
  "boom \u001b]0;PWNED\u0007\u001b[2J\u001b[31mred \u009b31m c1 \u202e rlo \u2066 \u200b \u2028 \u2029 \ufeff \u001b]8;;http://evil/\u0007link"

/** Texts of a registry that steer a terminal or forge a line, in each place where the operator shows a registry's words. */
export const attack: Attack = {
  gain: "the terminal of a reader of a log or a condition: a forged line, a hidden word, a link",
  start: Effect.fnUntraced(function* (stage) {
    const content = new Content()
    content.tag("1.0.0", content.image())
    const answers: Readonly<Record<string, Parameters<typeof hostileRegistry>[1]>> = {
      error: (_, response) => respondError(response, 403, WORDS, WORDS),
      tags: ({ route }, response) =>
        route === "tags"
          ? respondJson(response, 200, {
              tags: [
                `2.0.0${WORDS}`,
                "new\nline   yes   matches 1.0.x",
                "rlo\u202egnp.exe",
                "9".repeat(100_000),
                "../../etc"
              ]
            })
          : respond(response, 404),
      type: (_, response) => respond(response, 200, "<html>", { "content-type": "text/\u009bhtml" }),
      realm: (_, response) =>
        respond(response, 401, "", { "www-authenticate": 'Bearer realm="ftp://evil/\u009b31m",service="x"' }),
      warning: (asked, response) => {
        response.setHeader("warning", '299 - "hello \u009b31m c1"')
        content.answer(asked, response)
      },
      redirect: (_, response) => respond(response, 307, "", { location: "/v2/%1b%5b2J%E2%80%AE/\u009b31m" })
    }
    const { begun, host } = yield* hostileRegistry(stage, (asked, response, pace) => {
      const kind = asked.repository.split("/").at(-1) ?? ""
      const answer = answers[kind]
      if (answer === undefined) respond(response, 404)
      else answer(asked, response, pace)
    })
    const endings: Readonly<Record<string, ReadonlyArray<string>>> = {
      error: ["AuthenticationFailed"],
      tags: ["NoTagMatches"],
      type: ["InvalidAnswer"],
      realm: ["InvalidAnswer", "AuthenticationFailed"],
      warning: ["Copied"],
      redirect: ["InvalidAnswer", "SourceNotFound", "NotFound"]
    }
    return {
      begun,
      images: Object.entries(endings).map(([kind, reasons]) => ({
        name: `steering-words-${kind}`,
        spec: specOf(stage, `${host}/steering-words/${kind}`, kind === "warning" ? "1.0.0" : "1.0.x"),
        ends: { reasons }
      }))
    }
  })
}
