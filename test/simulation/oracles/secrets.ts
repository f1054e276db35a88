/** Whether a password shows where others can read it. */
import { PASSWORD, type World } from "../World.ts"

const SECRETS = [PASSWORD, Buffer.from(`robot:${PASSWORD}`).toString("base64")]

/** Looks at a text that others than the operator can read. */
export const lookForSecrets = (world: World, where: string, text: string): void => {
  if (SECRETS.some((secret) => text.includes(secret))) world.chronicle.report("secrets", `${where}: ${text}`)
}
