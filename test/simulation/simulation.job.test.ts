/** The whole operator in a hundred small worlds. Each engine has its own file, so that vitest runs both at the same time. */
import { describe } from "@effect/vitest"
import { itSurvives } from "./manySeeds.ts"

describe("an operator that copies by Jobs", () => itSurvives("job"))
