/** The whole operator in fifty small worlds; a file of its own, so that both engines are tested at once. */
import { describe } from "@effect/vitest"
import { itSurvives } from "./manySeeds.ts"

describe("an operator that copies by Jobs", () => itSurvives("job", 50))
