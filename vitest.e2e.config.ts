import { defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"

/** The file that reads the audit log of all others. */
const LAST = "/permissions.e2e.ts"

class LastFile extends BaseSequencer {
  override async sort(files: Array<TestSpecification>): Promise<Array<TestSpecification>> {
    const sorted = await super.sort(files)
    return sorted.toSorted((a, b) => Number(a.moduleId.endsWith(LAST)) - Number(b.moduleId.endsWith(LAST)))
  }
}

/** Tests against real parts: programs on PATH, a cluster that KUBECONFIG names, images and registries by variables. */
export default defineConfig({
  test: {
    include: ["test/e2e/**/*.e2e.ts"],
    reporters: ["default", "./test/support/SummaryReporter.ts"],
    fileParallelism: false,
    sequence: { sequencer: LastFile },
    testTimeout: 180_000,
    hookTimeout: 180_000
  }
})
