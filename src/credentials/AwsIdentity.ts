/**
 * The AWS credentials that this process has because of where it runs. The sources are tried in the order of AWS's own
 * tools: variables, a web identity (IRSA), the container's endpoint (ECS, EKS Pod Identity), the instance's metadata.
 */
import { Cache, Clock, Duration, Effect, Exit, FileSystem, Option, Redacted, Schema } from "effect"
import { form, get } from "../http/Http.ts"
import { addressOf, type AwsHttp, failed } from "./AwsHttp.ts"
import { describeRefusal } from "./AwsRefusal.ts"
import { ProviderError } from "./CredentialProvider.ts"

export interface AwsCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: Redacted.Redacted
  readonly sessionToken?: Redacted.Redacted
  /** When the credentials expire, in milliseconds since the epoch. Absent if they do not expire. */
  readonly expiresAt?: number
}

/** The values of AWS's variables. A comment names the variable where the field's name differs. */
export interface AwsVariables {
  readonly accessKeyId?: string | undefined
  readonly secretAccessKey?: Redacted.Redacted | undefined
  readonly sessionToken?: Redacted.Redacted | undefined
  readonly roleArn?: string | undefined
  readonly roleSessionName?: string | undefined
  readonly webIdentityTokenFile?: string | undefined
  /** AWS_CONTAINER_CREDENTIALS_RELATIVE_URI */
  readonly containerRelativeUri?: string | undefined
  /** AWS_CONTAINER_CREDENTIALS_FULL_URI */
  readonly containerFullUri?: string | undefined
  /** AWS_CONTAINER_AUTHORIZATION_TOKEN */
  readonly containerToken?: Redacted.Redacted | undefined
  /** AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE */
  readonly containerTokenFile?: string | undefined
  /** AWS_EC2_METADATA_SERVICE_ENDPOINT */
  readonly instanceEndpoint?: string | undefined
  /** AWS_EC2_METADATA_DISABLED */
  readonly instanceDisabled?: boolean | undefined
  readonly region?: string | undefined
  /** AWS_ENDPOINT_URL_ECR and AWS_ENDPOINT_URL_STS, for private endpoints and tests. */
  readonly ecrEndpoint?: string | undefined
  readonly stsEndpoint?: string | undefined
}

const CONTAINER_ENDPOINT = "http://169.254.170.2"
const INSTANCE_ENDPOINT = "http://169.254.169.254"
/**
 * The hosts of a container's endpoint that may be without TLS. The token must not be sent to another host in plain
 * text.
 */
const PLAIN_HOSTS = /^(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\]|169\.254\.170\.(?:2|23)|\[fd00:ec2::23\])$/u

const STS_TIMEOUT = "10 seconds"
const CONTAINER_TIMEOUT = "5 seconds"
/** The time limit of the instance's metadata. On a machine outside of AWS no host answers. */
const INSTANCE_TIMEOUT = "1 second"

/** Credentials are renewed this long before they expire. Credentials without an expiry are read again after a while. */
const EARLY_MILLIS = 5 * 60_000
const READ_AGAIN_AFTER = Duration.minutes(5)
const MISSING_FOR = Duration.seconds(30)

const Issued = Schema.fromJsonString(
  Schema.Struct({
    AccessKeyId: Schema.NonEmptyString,
    SecretAccessKey: Schema.NonEmptyString,
    Token: Schema.optionalKey(Schema.NullOr(Schema.String)),
    Expiration: Schema.optionalKey(Schema.NullOr(Schema.String))
  })
)

export const make = Effect.fnUntraced(function* (variables: AwsVariables, http: AwsHttp) {
  const fs = yield* FileSystem.FileSystem

  const tokenIn = (file: string) =>
    fs.readFileString(file).pipe(
      Effect.map((text) => Redacted.make(text.trim())),
      Effect.mapError(({ reason }) => failed(`the token file ${file} cannot be read (${reason._tag})`))
    )

  const fromVariables = Effect.sync((): Option.Option<AwsCredentials> => {
    const { accessKeyId, secretAccessKey, sessionToken } = variables
    if (accessKeyId === undefined || secretAccessKey === undefined) return Option.none()
    return Option.some({ accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) })
  })

  const fromWebIdentity = Effect.gen(function* () {
    const { region, roleArn, roleSessionName = "skopeo-operator", stsEndpoint, webIdentityTokenFile } = variables
    if (webIdentityTokenFile === undefined || roleArn === undefined) return Option.none<AwsCredentials>()
    const token = yield* tokenIn(webIdentityTokenFile)
    const host = region === undefined ? "sts.amazonaws.com" : `sts.${region}.${suffixOf(region)}`
    const request = form(yield* addressOf("AWS STS", stsEndpoint ?? `https://${host}/`), {
      Action: "AssumeRoleWithWebIdentity",
      Version: "2011-06-15",
      RoleArn: roleArn,
      RoleSessionName: roleSessionName,
      WebIdentityToken: Redacted.value(token)
    })
    const answer = yield* http("AWS STS", request, STS_TIMEOUT)
    if (answer.status !== 200) {
      return yield* failed(
        `AWS STS ${describeRefusal(answer, [token])}; does the role ${roleArn} trust its service account?`
      )
    }
    const element = (name: string) => new RegExp(`<${name}>([^<]+)</${name}>`, "u").exec(answer.text)?.[1]
    return Option.some(
      yield* issued("AWS STS", {
        AccessKeyId: element("AccessKeyId"),
        SecretAccessKey: element("SecretAccessKey"),
        Token: element("SessionToken"),
        Expiration: element("Expiration")
      })
    )
  })

  const fromContainer = Effect.gen(function* () {
    const { containerFullUri, containerRelativeUri, containerToken, containerTokenFile } = variables
    const uri = containerRelativeUri === undefined ? containerFullUri : `${CONTAINER_ENDPOINT}${containerRelativeUri}`
    if (uri === undefined) return Option.none<AwsCredentials>()
    const url = URL.parse(uri)
    if (url === null || !(url.protocol === "https:" || (url.protocol === "http:" && PLAIN_HOSTS.test(url.hostname)))) {
      return yield* failed(
        "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither an https:// URL nor an address of this machine; nothing was sent there"
      )
    }
    const token = containerTokenFile === undefined ? containerToken : yield* tokenIn(containerTokenFile)
    const request = get(url, {
      accept: "application/json",
      ...(token === undefined ? {} : { authorization: Redacted.value(token) })
    })
    const what = "the container's credentials endpoint"
    const answer = yield* http(what, request, CONTAINER_TIMEOUT)
    if (answer.status !== 200) {
      return yield* failed(`${what} ${describeRefusal(answer, token === undefined ? [] : [token])}`)
    }
    return Option.some(yield* issuedAs(what, answer.text))
  })

  /** Only version 2 of the protocol: version 1 has no protection against requests that an attacker causes. */
  const fromInstance = Effect.gen(function* () {
    if (variables.instanceDisabled === true) return Option.none<AwsCredentials>()
    const endpoint = (variables.instanceEndpoint ?? INSTANCE_ENDPOINT).replace(/\/+$/u, "")
    const what = "the instance's metadata"
    const at = (path: string) => addressOf(what, `${endpoint}/latest/${path}`)
    const token = yield* Effect.flatMap(at("api/token"), (url) =>
      http(what, { method: "PUT", url, headers: { "x-aws-ec2-metadata-token-ttl-seconds": "300" } }, INSTANCE_TIMEOUT)
    ).pipe(Effect.option)
    if (Option.isNone(token) || token.value.status !== 200) return Option.none<AwsCredentials>()
    const headers = { "x-aws-ec2-metadata-token": token.value.text.trim() }
    const ask = (path: string) =>
      Effect.flatMap(at(`meta-data/iam/security-credentials/${path}`), (url) =>
        http(what, get(url, headers), INSTANCE_TIMEOUT)
      )
    const roles = yield* ask("")
    const role = roles.text.trim().split("\n")[0] ?? ""
    // An instance without a role has no credentials.
    if (roles.status === 404 || role === "") return Option.none<AwsCredentials>()
    if (roles.status !== 200) return yield* failed(`${what} ${describeRefusal(roles)}`)
    const answer = yield* ask(encodeURIComponent(role))
    if (answer.status !== 200) return yield* failed(`${what} ${describeRefusal(answer)}`)
    return Option.some(yield* issuedAs(what, answer.text))
  })

  const find = Effect.gen(function* () {
    for (const place of [fromVariables, fromWebIdentity, fromContainer, fromInstance]) {
      const found = yield* place
      if (Option.isSome(found)) return found.value
    }
    return yield* new ProviderError({
      kind: "NoIdentity",
      detail:
        "asks for the operator's AWS identity, and the operator has none; annotate its service account with eks.amazonaws.com/role-arn (the chart's serviceAccount.annotations), or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    })
  })

  const cache = yield* Cache.makeWith(
    (_what: "identity") =>
      Effect.gen(function* () {
        const credentials = yield* find
        const now = yield* Clock.currentTimeMillis
        const { expiresAt } = credentials
        const life =
          expiresAt === undefined ? READ_AGAIN_AFTER : Duration.millis(Math.max(0, expiresAt - now - EARLY_MILLIS))
        return { credentials, life }
      }),
    {
      capacity: 1,
      timeToLive: (exit) => {
        if (Exit.isSuccess(exit)) return exit.value.life
        const error = Option.getOrUndefined(Exit.findErrorOption(exit))
        // A missing identity is cached for a while: every request would otherwise wait for the instance's time limit.
        return error?.kind === "NoIdentity" ? MISSING_FOR : Duration.zero
      }
    }
  )

  return {
    /** The credentials. Concurrent requests share them, and they are cached until shortly before they expire. */
    credentials: Effect.map(Cache.get(cache, "identity"), ({ credentials }) => credentials),
    /** Drops the cached credentials, because AWS refused them. */
    forget: Cache.invalidate(cache, "identity")
  }
})

/** The domain of a region's services. */
export const suffixOf = (region: string): string => (region.startsWith("cn-") ? "amazonaws.com.cn" : "amazonaws.com")

/** The domain of a region's services with IPv4 and IPv6 addresses. */
export const dualStackSuffixOf = (region: string): string =>
  region.startsWith("cn-") ? "api.amazonwebservices.com.cn" : "api.aws"

const issuedAs = (what: string, text: string) => issuedOf(what, Schema.decodeUnknownOption(Issued)(text))

const issued = (what: string, fields: Readonly<Record<string, string | undefined>>) =>
  issuedAs(what, JSON.stringify(fields))

const issuedOf = (
  what: string,
  answer: Option.Option<typeof Issued.Type>
): Effect.Effect<AwsCredentials, ProviderError> => {
  if (Option.isNone(answer)) return Effect.fail(failed(`${what} answered without credentials`))
  const { AccessKeyId, Expiration, SecretAccessKey, Token } = answer.value
  const expiresAt = Date.parse(Expiration ?? "")
  return Effect.succeed({
    accessKeyId: AccessKeyId,
    secretAccessKey: Redacted.make(SecretAccessKey),
    ...(Token === undefined || Token === null ? {} : { sessionToken: Redacted.make(Token) }),
    ...(Number.isNaN(expiresAt) ? {} : { expiresAt })
  })
}
