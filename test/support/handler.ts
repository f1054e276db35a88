/** A request to a registry, and a fake of the next stage, with the answers of a test and a record of its requests. */
import { Effect, Option } from "effect"
import type { HttpHead } from "../../src/http/Http.ts"
import {
  type Handler,
  httpRequestOf,
  type RegistryRequest,
  type RegistryResponse,
  urlOf
} from "../../src/registry/pipeline/request.ts"
import type { Credential, RepositoryAccess } from "../../src/registry/RegistryClient.ts"
import { RegistryError } from "../../src/registry/RegistryError.ts"

export const accessOf = (registry: string, tlsVerify = true, credential?: Credential): RepositoryAccess => ({
  repository: { registry, path: "team/app" },
  tlsVerify,
  credential: Option.fromUndefinedOr(credential)
})

export const requestOf = (more: Partial<RegistryRequest> = {}): RegistryRequest => ({
  access: accessOf("registry.test"),
  route: "manifest",
  need: "pull",
  method: "GET",
  to: "/v2/team/app/manifests/v1",
  ...more
})

export type Answer = (Partial<HttpHead> & { readonly text?: string }) | RegistryError

export const responseOf = (request: RegistryRequest, answer: Exclude<Answer, RegistryError>): RegistryResponse => ({
  status: answer.status ?? 200,
  headers: answer.headers ?? {},
  request: httpRequestOf(request),
  base: urlOf(request),
  millis: 0,
  bytes: Buffer.from(answer.text ?? ""),
  isCut: false
})

/** Gives the answers one after the other, and repeats the last. */
export const answering = (...answers: ReadonlyArray<Answer>) => {
  const seen: Array<RegistryRequest> = []
  const next: Handler = (request) =>
    Effect.suspend(() => {
      const answer = answers[Math.min(seen.length, answers.length - 1)] ?? {}
      seen.push(request)
      return answer instanceof RegistryError ? Effect.fail(answer) : Effect.succeed(responseOf(request, answer))
    })
  return { next, seen, urls: () => seen.map((request) => urlOf(request).href) }
}

export const unreachable = (unconnected = true): RegistryError =>
  RegistryError.of(
    unconnected ? { _tag: "Unreachable", unconnected } : "Unreachable",
    accessOf("registry.test").repository,
    "failed"
  )
