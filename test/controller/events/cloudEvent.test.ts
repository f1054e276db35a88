/** The signature of a notification, and the programs of the document that verify the signature. */
import { readFileSync } from "node:fs"
import { assert, describe, it, onTestFinished, vi } from "@effect/vitest"
import { signatureOf } from "../../../src/controller/events/cloudEvent.ts"

describe("the signature of a notification", () => {
  it("the signature is that of the example of Standard Webhooks", () => {
    const key = Buffer.from("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "base64")
    const headers = signatureOf(
      key,
      "msg_p5jXN8AQM9LWM0D4loKWxJek",
      1_614_265_330_000,
      Buffer.from('{"test": 2432232314}')
    )
    assert.deepStrictEqual(headers, {
      "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
      "webhook-timestamp": "1614265330",
      "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    })
  })

  it("the program of docs/notifications.md accepts a signed body, and no changed or old body", async () => {
    const document = readFileSync(new URL("../../../docs/notifications.md", import.meta.url), "utf8")
    const [, program = ""] = /^```js\n([^]*?)^```$/mu.exec(document) ?? []
    const { isGenuine } = (await import(`data:text/javascript,${encodeURIComponent(program)}`)) as {
      readonly isGenuine: (headers: object, body: string, secret: string) => boolean
    }
    const secret = "a secret of the receiver, 32 bytes"
    // The program reads the time of the machine.
    const now = 1_800_000_000_000
    vi.setSystemTime(now)
    onTestFinished(() => void vi.useRealTimers())
    const signed = (at: number) => signatureOf(Buffer.from(secret), "id", at, Buffer.from("body"))
    assert.isTrue(isGenuine(signed(now), "body", secret))
    assert.isTrue(isGenuine(signed(now), "body", `whsec_${Buffer.from(secret).toString("base64")}`))
    assert.isFalse(isGenuine(signed(now), "another body", secret))
    assert.isFalse(isGenuine(signed(now), "body", "another secret of 32 bytes"))
    assert.isFalse(isGenuine({ ...signed(now), "webhook-id": "another" }, "body", secret))
    assert.isFalse(isGenuine(signed(now - 600_000), "body", secret))
  })
})
