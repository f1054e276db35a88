import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // A worker for each core. By default one core is left to vitest itself, which has nothing to do while tests run: half of two.
    maxWorkers: "100%",
    reporters: ["default", "./test/support/SummaryReporter.ts"]
  }
})
