import { defineConfig } from "vitest/config"

/** Tests against real parts: programs on PATH, a cluster that KUBECONFIG names, images and registries by variables. */
export default defineConfig({
  test: {
    include: ["test/e2e/**/*.e2e.ts"],
    reporters: ["default", "./test/support/SummaryReporter.ts"],
    fileParallelism: false,
    testTimeout: 180_000,
    hookTimeout: 180_000
  }
})
