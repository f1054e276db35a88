/** The oracle `secrets`: no text that others can read has the password. */
import { PASSWORD, type World } from "../World.ts"

const SECRETS = [PASSWORD, Buffer.from(`robot:${PASSWORD}`).toString("base64")]

/** Searches a text that others can read. */
export const lookForSecrets = (world: World, where: string, text: string): void => {
  if (SECRETS.some((secret) => text.includes(secret))) world.chronicle.report("secrets", `${where}: ${text}`)
}
