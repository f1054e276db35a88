/** The stage that chooses HTTPS or HTTP, and the hosts that are known to speak TLS. */
import { Effect } from "effect"
import { BoundedMap } from "../../collections/BoundedMap.ts"
import { registryHost } from "../../oci/Reference.ts"
import type { RepositoryAccess } from "../RegistryClient.ts"
import type { RegistryError } from "../RegistryError.ts"
import { bringsCredential, type MaySend, plainUrlOf, refusedInClear, remedyFor } from "./plainHttp.ts"
import type { Stage } from "./request.ts"

/** The most hosts. Nothing is known of a forgotten one: TLS is tried first. */
const HOSTS = 10_000

/** The hosts that are known to speak TLS or not. The stages `chooseScheme` and `followRedirects` share one instance. */
export class HostSchemes {
  /**
   * `https` of hosts that have spoken TLS or redirected from HTTP to HTTPS: no request is sent to them by plain HTTP.
   * `http` of hosts without TLS for which plain HTTP is allowed.
   */
  readonly #schemes = new BoundedMap<string, "http" | "https">({ capacity: HOSTS })

  /** Whether plain HTTP is allowed and used for an access's host. */
  isPlain({ repository, tlsVerify }: RepositoryAccess): boolean {
    return !tlsVerify && this.#schemes.get(registryHost(repository.registry)) === "http"
  }

  /** Whether the scheme of a registry is known. */
  isKnown({ repository, tlsVerify }: RepositoryAccess): boolean {
    return tlsVerify || this.#schemes.has(registryHost(repository.registry))
  }

  isSecure(host: string): boolean {
    return this.#schemes.get(host) === "https"
  }

  foundSecure(host: string): void {
    this.#schemes.set(host, "https")
  }

  foundPlain(host: string): void {
    if (!this.isSecure(host)) this.#schemes.set(host, "http")
  }

  /** The next request tries TLS again. */
  forgetPlain(host: string): void {
    if (!this.isSecure(host)) this.#schemes.delete(host)
  }
}

/**
 * Requests to the registry's own host use HTTPS, or plain HTTP if `tlsVerify` is false and the host speaks no TLS. A
 * request with a credential uses plain HTTP only if the credential may be sent there in that way.
 */
export const chooseScheme =
  (schemes: HostSchemes, maySend: MaySend): Stage =>
  (next) =>
  (request) =>
    Effect.suspend(() => {
      const { access, to } = request
      if (to instanceof URL) return next(request)
      const host = registryHost(access.repository.registry)
      const by = (scheme: "http" | "https") => next({ ...request, to: new URL(`${scheme}://${host}${to}`) })
      const needsTls = bringsCredential(request) && !maySend(plainUrlOf(access))
      if (schemes.isPlain(access) && !needsTls) {
        // TLS may have failed by chance before, so the next request tries TLS again.
        return Effect.tapError(by("http"), ({ reason }) =>
          Effect.sync(() => {
            if (reason._tag === "Unreachable") schemes.forgetPlain(host)
          })
        )
      }
      const secure = Effect.tap(by("https"), () => Effect.sync(() => schemes.foundSecure(host)))
      if (access.tlsVerify || schemes.isSecure(host)) return secure
      if (needsTls) {
        return Effect.mapError(secure, (error) => {
          if (!hadNoConnection(error)) return error
          return schemes.isPlain(access)
            ? refusedInClear(request, maySend)
            : error.withDetail(
                `${error.detail}; credentials are not sent by plain HTTP: if ${host} speaks no TLS, ${remedyFor([host])}`
              )
        })
      }
      return Effect.catchIf(secure, hadNoConnection, () =>
        Effect.tap(by("http"), () => Effect.sync(() => schemes.foundPlain(host)))
      )
    })

const hadNoConnection = ({ reason }: RegistryError): boolean =>
  reason._tag === "Unreachable" && reason.unconnected === true
