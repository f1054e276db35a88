import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    setupFiles: ["./test/support/fastAssertions.ts"],
    // A worker for each core. By default one core is left to vitest itself, which has nothing to do while tests run: half of two.
    maxWorkers: "100%",
    // The files of a worker share its modules: to load them anew for each file was half of what the tests cost. So no test
    // may leave anything behind, in a module or in the process.
    isolate: false,
    // A test that waits for something that never comes fails after this time. The default of 5 s is too short for busy machines.
    testTimeout: 30_000,
    // Node imports the sources itself, as `npm run simulate` does: vite would first transform each of them, for which the first
    // run of a clone took seconds. No test needs what vite adds, such as `vi.mock`.
    experimental: { viteModuleRunner: false, nodeLoader: false },
    reporters: ["default", "./test/support/SummaryReporter.ts"]
  }
})
