/**
 * Credentials and plain HTTP. Anyone on the way of a request by plain HTTP can read its credential. A credential is sent
 * by plain HTTP only to the hosts that the configuration names, also if an Image's own Secret has the credential.
 */
import { Effect, Option } from "effect"
import { bareHost, portOf } from "../../http/Http.ts"
import { hostRule } from "../../http/HostRule.ts"
import { registryHost } from "../../oci/Reference.ts"
import { excerpt } from "../../text/line.ts"
import type { RegistryError } from "../RegistryError.ts"
import type { RepositoryAccess } from "../RegistryClient.ts"
import { errorOf, type RegistryRequest, type Stage, urlOf } from "./request.ts"

/** Whether a credential may be sent to a URL. Always true for HTTPS. */
export type MaySend = (url: URL) => boolean

/** Makes the rule. The hosts of plain HTTP are written as in NO_PROXY. */
export const plainHttpRule = (hosts: string): MaySend => {
  const isNamed = hostRule(hosts)
  return (url) => url.protocol === "https:" || isNamed(bareHost(url.hostname), portOf(url))
}

/**
 * Whether a request brings a credential, or a token that was given for a credential: in its authorization, or in the form
 * of a token's request. A token without a credential is anyone's, and no secret.
 */
export const bringsCredential = ({ access, authorization, body, route }: RegistryRequest): boolean =>
  Option.isSome(access.credential) && (authorization !== undefined || (route === "token" && body !== undefined))

/** The URL of a registry by plain HTTP. */
export const plainUrlOf = ({ repository }: Pick<RepositoryAccess, "repository">): URL =>
  new URL(`http://${registryHost(repository.registry)}`)

/** The last stage before a request is sent: refuses a request whose credential would go over plain HTTP. */
export const guardCredential =
  (maySend: MaySend): Stage =>
  (next) =>
  (request) =>
    bringsCredential(request) && !maySend(urlOf(request))
      ? Effect.fail(refusedInClear(request, maySend))
      : next(request)

/** The error of a credential that would go over plain HTTP. A token server by plain HTTP serves a registry by plain HTTP. */
export const refusedInClear = (request: RegistryRequest, maySend: MaySend): RegistryError => {
  const url = urlOf(request)
  const plain = [plainUrlOf(request.access), ...(url.protocol === "http:" ? [url] : [])]
  const unnamed = [...new Set(plain.filter((one) => !maySend(one)).map(({ host }) => excerpt(host)))]
  return errorOf(
    request,
    "CredentialsNotSent",
    `${unnamed.join(" and ")} is reached by plain HTTP, and the credentials for ${request.access.repository.registry} were not sent, because anyone on the way could read them; serve HTTPS, or accept the risk: ${remedyFor(unnamed)}`
  )
}

/** The line of the configuration that allows credentials by plain HTTP. */
export const remedyFor = (hosts: ReadonlyArray<string>): string =>
  `add ${hosts.join(",")} to REGISTRY_PLAIN_HTTP (the chart's config.registries.plainHttp)`
