/** A row of the controller's bench: what it measures, and what it needs. */
import type { Effect, Scope } from "effect"
import type { HttpClient } from "effect/http"
import type { RegistryClient } from "../../../src/registry/RegistryClient.ts"
import type { Needs } from "./environment.ts"

/** One measured number. A smaller number is better. */
export interface Figure {
  readonly what: string
  readonly unit: "s" | "ms" | "MB" | "%" | "times" | "Jobs"
  readonly measured: number
  /** The same requests by a loop without an operator. */
  readonly bare?: number
  /** The largest number that is good enough. */
  readonly goal?: number
}

/** The choices and the shared parts of a run. */
export interface BenchRun {
  /** The name of the run, which is in the names of its namespaces and repositories. */
  readonly name: string
  /** Whether the rows with 10,000 Images that take minutes are measured too. */
  readonly large: boolean
  /** The folder of the bundled program. It is built once in a run. */
  readonly bundle: Effect.Effect<string>
}

export interface Row {
  readonly name: string
  readonly needs: Needs
  readonly measure: (
    run: BenchRun
  ) => Effect.Effect<
    ReadonlyArray<Figure>,
    { readonly message: string },
    RegistryClient | HttpClient.HttpClient | Scope.Scope
  >
}
