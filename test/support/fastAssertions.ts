/** Assertions of Chai without a proxy around each one, which only finds misspelled names. TypeScript finds these too. */
import { chai } from "vitest"

chai.config.useProxy = false
