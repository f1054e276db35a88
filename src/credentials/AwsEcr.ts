/** Credentials for Amazon ECR's private registries, from this process's identity in AWS. */
import { AwsV4Signer } from "aws4fetch"
import { Cache, Clock, Duration, Effect, Exit, type FileSystem, Layer, Redacted, Schema } from "effect"
import { parseEcrHost } from "../registry/vendors.ts"
import type { HttpRequest } from "../http/Http.ts"
import type { Credential } from "../registry/RegistryClient.ts"
import { addressOf, type AwsHttpOptions, failed, makeAwsHttp } from "./AwsHttp.ts"
import * as AwsIdentity from "./AwsIdentity.ts"
import { describeRefusal } from "./AwsRefusal.ts"
import { CredentialProvider, ProviderError } from "./CredentialProvider.ts"

/** The options of {@link layer}. */
export interface AwsEcrOptions extends AwsHttpOptions {
  readonly variables: AwsIdentity.AwsVariables
}

/** The region of a registry, and the endpoint that gives its tokens. */
export interface EcrRegistry {
  readonly region: string
  readonly endpoint: string
}

/**
 * Parses the host of a registry. A token for one registry is valid for every registry that the identity may use.
 *
 * @example
 * ```ts
 * parseEcrRegistry("123456789012.dkr.ecr.eu-west-1.amazonaws.com")?.region // "eu-west-1"
 * ```
 */
export const parseEcrRegistry = (registry: string): EcrRegistry | undefined => {
  const host = parseEcrHost(registry)
  if (host === undefined) return undefined
  const { isDualStack, isFips, region } = host
  const suffix = isDualStack ? AwsIdentity.dualStackSuffixOf(region) : AwsIdentity.suffixOf(region)
  const service = isFips ? "ecr-fips" : isDualStack ? "ecr" : "api.ecr"
  return { region, endpoint: `https://${service}.${region}.${suffix}/` }
}

const TIMEOUT = "10 seconds"
/** A token is renewed this long before it expires: a Job may use it for more than an hour. */
const EARLY_MILLIS = 2 * 3_600_000

const Answer = Schema.fromJsonString(
  Schema.Struct({
    authorizationData: Schema.Array(
      Schema.Struct({ authorizationToken: Schema.String, expiresAt: Schema.optionalKey(Schema.Finite) })
    )
  })
)

const make = Effect.fnUntraced(function* ({ variables, ...options }: AwsEcrOptions) {
  const http = yield* makeAwsHttp(options)
  const identity = yield* AwsIdentity.make(variables, http)

  const request = Effect.fnUntraced(function* ({ endpoint, region }: EcrRegistry, now: number) {
    const address = yield* addressOf("Amazon ECR", variables.ecrEndpoint ?? endpoint)
    const { accessKeyId, secretAccessKey, sessionToken } = yield* identity.credentials
    const signer = new AwsV4Signer({
      method: "POST",
      url: address.href,
      headers: {
        "content-type": "application/x-amz-json-1.1",
        "x-amz-target": "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"
      },
      body: "{}",
      service: "ecr",
      region,
      accessKeyId,
      secretAccessKey: Redacted.value(secretAccessKey),
      ...(sessionToken === undefined ? {} : { sessionToken: Redacted.value(sessionToken) }),
      datetime: new Date(now).toISOString().replaceAll(/[:-]|\.[0-9]{3}/gu, "")
    })
    const { headers, url } = yield* Effect.promise(() => signer.sign())
    const secrets = [secretAccessKey, ...(sessionToken === undefined ? [] : [sessionToken])]
    const signed: HttpRequest = {
      method: "POST",
      url,
      headers: Object.fromEntries(headers),
      body: Buffer.from("{}")
    }
    return { secrets, request: signed }
  })

  const issue = Effect.fnUntraced(function* (
    ecr: EcrRegistry
  ): Effect.fn.Return<{ readonly credential: Credential; readonly life: Duration.Duration }, ProviderError> {
    const now = yield* Clock.currentTimeMillis
    const signed = yield* request(ecr, now)
    const answer = yield* http("Amazon ECR", signed.request, TIMEOUT)
    if (answer.status !== 200) {
      yield* identity.forget
      return yield* failed(
        `Amazon ECR ${describeRefusal(answer, signed.secrets)}; may it call ecr:GetAuthorizationToken?`
      )
    }
    const [data] = (yield* Schema.decodeUnknownEffect(Answer)(answer.text).pipe(
      Effect.mapError(() => failed("Amazon ECR answered without a token"))
    )).authorizationData
    const [username = "", ...password] = Buffer.from(data?.authorizationToken ?? "", "base64")
      .toString("utf8")
      .split(":")
    if (data === undefined || password.length === 0) return yield* failed("Amazon ECR answered without a token")
    const left = (data.expiresAt ?? 0) * 1_000 - now
    return {
      credential: { username, password: Redacted.make(password.join(":")) },
      life: Duration.millis(Math.max(0, left - Math.min(EARLY_MILLIS, left / 2)))
    }
  })

  /** Tokens by endpoint, because one token is valid for all registries of a region. */
  const tokens = yield* Cache.makeWith(
    (key: string) => {
      const [region = "", endpoint = ""] = key.split(" ")
      return issue({ region, endpoint })
    },
    { capacity: 100, timeToLive: (exit) => (Exit.isSuccess(exit) ? exit.value.life : Duration.zero) }
  )

  return CredentialProvider.of({
    credential: Effect.fn("CredentialProvider.credential")(function* (registry) {
      yield* Effect.annotateCurrentSpan({ registry })
      const ecr = parseEcrRegistry(registry)
      if (ecr === undefined) {
        return yield* new ProviderError({
          kind: "OtherRegistry",
          detail: `asks for the operator's AWS identity, and ${registry} is not a private registry of Amazon ECR, such as 123456789012.dkr.ecr.eu-west-1.amazonaws.com; remove the field`
        })
      }
      return (yield* Cache.get(tokens, `${ecr.region} ${ecr.endpoint}`)).credential
    })
  })
})

/**
 * Provides credentials for ECR. The layer sends no request before the first credential is requested.
 *
 * @example
 * ```ts
 * import { NodeServices } from "@effect/platform-node"
 * import { Effect, Layer } from "effect"
 * import { AwsEcr, CloudIdentity, Credentials } from "skopeo-operator"
 *
 * const ecr = AwsEcr.layer({ variables: { instanceDisabled: false, region: "eu-west-1" } })
 * const live = Credentials.layer(Effect.all([CloudIdentity.make])).pipe(
 *   Layer.provide(ecr),
 *   Layer.provide(NodeServices.layer)
 * )
 * ```
 */
export const layer = (options: AwsEcrOptions): Layer.Layer<CredentialProvider, never, FileSystem.FileSystem> =>
  Layer.effect(CredentialProvider, make(options))
