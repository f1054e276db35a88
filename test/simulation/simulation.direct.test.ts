/** The whole operator in a hundred small worlds. `npm run simulate` has more and larger worlds. */
import { describe } from "@effect/vitest"
import { itSurvives } from "./manySeeds.ts"

describe("an operator that copies in its process", () => itSurvives("direct"))
