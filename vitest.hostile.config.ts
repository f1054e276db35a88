import { defineConfig } from "vitest/config"

/** The hostile servers of test/hostile against the built operator as a process. */
export default defineConfig({
  test: {
    include: ["test/hostile/**/*.hostile.ts"],
    reporters: ["default", "./test/support/SummaryReporter.ts"],
    fileParallelism: false,
    testTimeout: 90_000,
    hookTimeout: 60_000
  }
})
