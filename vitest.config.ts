import { defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"

const isSimulation = ({ moduleId }: TestSpecification): boolean => moduleId.includes("/test/simulation/")

/**
 * The simulations take the longest, and start first: else one worker is idle while another ends the last of them. Vitest starts
 * files by their last times, and by their sizes in a new clone, where these files would be the last.
 */
class SimulationsFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>): Promise<Array<TestSpecification>> {
    const sorted = await super.sort(files)
    return sorted.toSorted((a, b) => Number(isSimulation(b)) - Number(isSimulation(a)))
  }
}

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    sequence: { sequencer: SimulationsFirst },
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
