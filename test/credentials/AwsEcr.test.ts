/** The real layer against scripted servers for ECR, STS, and the endpoints of containers and instances. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { createHash, createHmac } from "node:crypto"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import type { IncomingHttpHeaders, ServerResponse } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { inspect } from "node:util"
import { Effect, Fiber, Layer, Redacted, type Scope } from "effect"
import { TestClock } from "effect/testing"
import * as AwsEcr from "../../src/credentials/AwsEcr.ts"
import type { AwsVariables } from "../../src/credentials/AwsIdentity.ts"
import { CredentialProvider } from "../../src/credentials/CredentialProvider.ts"
import { serve } from "../../src/registry/memory/LoopbackServer.ts"

const REGISTRY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
const SECRET = "wJalrXUtnFEMI-secret-access-key"
const NOW = Date.parse("2026-11-24T12:00:00Z")
const HOUR = 3_600_000

interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

type Answer = (seen: Seen, response: ServerResponse) => void

/** A server for all of AWS, and its requests. */
const startAws = Effect.fnUntraced(function* (answer: Answer) {
  const seen: Array<Seen> = []
  const host = yield* serve((request, response) => {
    let body = ""
    request.setEncoding("utf8").on("data", (text: string) => (body += text))
    request.on("end", () => {
      const { headers, method = "", url = "" } = request
      seen.push({ method, url, headers, body })
      answer({ method, url, headers, body }, response)
    })
  })
  return { url: `http://${host}`, seen, asked: () => seen.map(({ method, url }) => `${method} ${url}`) }
})

const json = (response: ServerResponse, value: unknown, status = 200) => {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value))
}

const token = (password: string, expiresAt: number) => ({
  authorizationData: [
    {
      authorizationToken: Buffer.from(`AWS:${password}`).toString("base64"),
      expiresAt: expiresAt / 1_000,
      proxyEndpoint: `https://${REGISTRY}`
    }
  ]
})

const KEYS = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: Redacted.make(SECRET) }
/** Endpoints without a server, so that no test uses the machine's own identity. */
const NOWHERE = { instanceDisabled: true }

const provider = Effect.fnUntraced(function* (variables: AwsVariables) {
  yield* TestClock.setTime(NOW)
  const context = yield* Layer.build(AwsEcr.layer({ variables }).pipe(Layer.provide(NodeServices.layer)))
  return yield* Effect.provide(CredentialProvider, context)
})

const credential = (variables: AwsVariables, registry = REGISTRY) =>
  Effect.flatMap(provider(variables), (cloud) => cloud.credential(registry))

const file = (text: string): Effect.Effect<string, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "skopeo-operator-"))),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
    ),
    (folder) => {
      writeFileSync(join(folder, "token"), text)
      return join(folder, "token")
    }
  )

/** Signature Version 4 by its specification, independent of the library under test. */
const expectedSignature = ({ body, headers, method, url }: Seen, secret: string): string => {
  const authorization = headers.authorization ?? ""
  const [, scope = "", names = ""] = /Credential=[^/]+\/([^,]+), SignedHeaders=([^,]+), /u.exec(authorization) ?? []
  const sha = (text: string) => createHash("sha256").update(text).digest("hex")
  const hmac = (key: string | Buffer, text: string) => createHmac("sha256", key).update(text).digest()
  const canonical = [
    method,
    url,
    "",
    ...names.split(";").map((name) => `${name}:${String(headers[name]).trim()}`),
    "",
    names,
    sha(body)
  ].join("\n")
  const toSign = ["AWS4-HMAC-SHA256", headers["x-amz-date"], scope, sha(canonical)].join("\n")
  const key = scope.split("/").reduce<string | Buffer>((key, part) => hmac(key, part), `AWS4${secret}`)
  return hmac(key, toSign).toString("hex")
}

describe("registries of Amazon ECR", () => {
  it.each<readonly [registry: string, region: string, endpoint: string]>([
    [REGISTRY, "eu-west-1", "https://api.ecr.eu-west-1.amazonaws.com/"],
    [
      "123456789012.dkr.ecr.us-gov-west-1.amazonaws.com",
      "us-gov-west-1",
      "https://api.ecr.us-gov-west-1.amazonaws.com/"
    ],
    ["123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "cn-north-1", "https://api.ecr.cn-north-1.amazonaws.com.cn/"],
    ["123456789012.dkr.ecr-fips.us-east-1.amazonaws.com", "us-east-1", "https://ecr-fips.us-east-1.amazonaws.com/"],
    ["123456789012.dkr-ecr.eu-west-1.on.aws", "eu-west-1", "https://ecr.eu-west-1.api.aws/"],
    ["123456789012.dkr-ecr.us-gov-west-1.on.aws", "us-gov-west-1", "https://ecr.us-gov-west-1.api.aws/"],
    ["123456789012.dkr-ecr-fips.us-east-1.on.aws", "us-east-1", "https://ecr-fips.us-east-1.api.aws/"],
    [
      "123456789012.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn",
      "cn-north-1",
      "https://ecr.cn-north-1.api.amazonwebservices.com.cn/"
    ]
  ])("the registry %s has the region %s and the endpoint %s", (registry, region, endpoint) => {
    assert.deepStrictEqual(AwsEcr.parseEcrRegistry(registry), { region, endpoint })
  })

  it.each([
    "public.ecr.aws",
    "quay.io",
    "12345.dkr.ecr.eu-west-1.amazonaws.com",
    "123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.test",
    "123456789012.dkr.ecr.evil.test/.amazonaws.com",
    "123456789012.dkr.ecr.evil.test.amazonaws.com",
    "evil.123456789012.dkr.ecr.eu-west-1.amazonaws.com",
    "123456789012.dkr.ecr.eu-west-1.amazonaws.com:8443",
    "123456789012.dkr.ecr.eu-west-1.amazonaws.com.cn",
    "123456789012.dkr.ecr.cn-north-1.amazonaws.com",
    "123456789012xdkr.ecr.eu-west-1.amazonaws.com",
    "123456789012.dkr.ecr.s3.amazonaws.com",
    "123456789012.dkr.ecr.elb.amazonaws.com",
    "123456789012.dkr.ecr.s3-website-eu.amazonaws.com",
    "123456789012.dkr-ecr.eu-west-1.amazonaws.com",
    "123456789012.dkr.ecr.eu-west-1.on.aws",
    "123456789012.dkr-ecr.eu-west-1.on.aws.evil.test",
    "123456789012.dkr-ecr.lambda-url.on.aws",
    "123456789012.lambda-url.eu-west-1.on.aws",
    "evil.123456789012.dkr-ecr.eu-west-1.on.aws",
    "123456789012.dkr-ecr.eu-west-1.on.aws:8443",
    "123456789012.dkr-ecr.eu-west-1.on-aws",
    "123456789012.dkr-ecr.eu-west-1.onxaws",
    "123456789012.dkr-ecr.cn-north-1.on.aws",
    "123456789012.dkr-ecr.eu-west-1.on.amazonwebservices.com.cn",
    ""
  ])("the registry %j is not one of ECR", (registry) => {
    assert.isUndefined(AwsEcr.parseEcrRegistry(registry))
  })

  it.effect("no request is sent for a registry that is not one of ECR, and no token goes there", () =>
    Effect.gen(function* () {
      const aws = yield* startAws((_, response) => json(response, token("p", NOW + 12 * HOUR)))
      const error = yield* Effect.flip(
        credential(
          { ...KEYS, ...NOWHERE, ecrEndpoint: aws.url },
          "123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.test"
        )
      )
      assert.strictEqual(error.kind, "OtherRegistry")
      assert.include(error.message, "evil.test is not a private registry of Amazon ECR")
      assert.deepStrictEqual(aws.seen, [])
    })
  )
})

describe("a credential for Amazon ECR", () => {
  it.effect("a credential for ECR takes one signed call and no other request", () =>
    Effect.gen(function* () {
      const aws = yield* startAws((_, response) => json(response, token("pass:word", NOW + 12 * HOUR)))
      const found = yield* credential({
        ...KEYS,
        ...NOWHERE,
        sessionToken: Redacted.make("session-1"),
        ecrEndpoint: aws.url
      })
      assert.deepStrictEqual([found.username, Redacted.value(found.password)], ["AWS", "pass:word"])
      assert.notInclude(inspect(found, { depth: 5 }) + JSON.stringify(found), "pass:word")
      const [call, ...others] = aws.seen
      assert.lengthOf(others, 0)
      assert.deepStrictEqual([call?.method, call?.url, call?.body], ["POST", "/", "{}"])
      assert.include(call?.headers, {
        "content-type": "application/x-amz-json-1.1",
        "x-amz-target": "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken",
        "x-amz-date": "20261124T120000Z",
        "x-amz-security-token": "session-1"
      })
      assert.notProperty(call?.headers, "traceparent")
      const authorization = call?.headers.authorization ?? ""
      assert.include(authorization, "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261124/eu-west-1/ecr/aws4_request, ")
      assert.match(authorization, /SignedHeaders=[^,]*host;[^,]*x-amz-target/u)
      if (call !== undefined) assert.include(authorization, `Signature=${expectedSignature(call, SECRET)}`)
    })
  )

  it.effect(
    "a token is shared by all registries of a region and by concurrent requests, until it is too old for a Job",
    () =>
      Effect.gen(function* () {
        let issued = 0
        const aws = yield* startAws((_, response) => {
          issued += 1
          json(response, token(`p${issued}`, NOW + 12 * HOUR * issued))
        })
        const cloud = yield* provider({ ...KEYS, ...NOWHERE, ecrEndpoint: aws.url })
        const passwords = (registries: ReadonlyArray<string>) =>
          Effect.forEach(
            registries,
            (registry) => Effect.map(cloud.credential(registry), ({ password }) => Redacted.value(password)),
            { concurrency: "unbounded" }
          )
        const other = "999999999999.dkr.ecr.eu-west-1.amazonaws.com"
        assert.deepStrictEqual(yield* passwords([REGISTRY, other, REGISTRY, REGISTRY]), ["p1", "p1", "p1", "p1"])
        yield* TestClock.adjust("9 hours")
        assert.deepStrictEqual(yield* passwords([REGISTRY]), ["p1"])
        yield* TestClock.adjust("61 minutes")
        assert.deepStrictEqual(yield* passwords([REGISTRY]), ["p2"])
        assert.deepStrictEqual(yield* passwords(["123456789012.dkr.ecr.us-east-1.amazonaws.com"]), ["p3"])
        assert.lengthOf(aws.seen, 3)
      })
  )

  it.effect("a refusal of AWS has the text of AWS and no secret", () =>
    Effect.gen(function* () {
      const aws = yield* startAws((_, response) =>
        json(
          response,
          {
            __type: "com.amazon.coral.service#AccessDeniedException",
            message: `User: arn:aws:iam::1:user/x may not, with ${SECRET}`
          },
          400
        )
      )
      const error = yield* Effect.flip(credential({ ...KEYS, ...NOWHERE, ecrEndpoint: aws.url }))
      assert.deepStrictEqual(
        [error.kind, error.message],
        [
          "Failed",
          "asks for the operator's AWS identity, and Amazon ECR answered 400 AccessDeniedException: User: arn:aws:iam::1:user/x may not, with <redacted>; may it call ecr:GetAuthorizationToken?"
        ]
      )
      // A later request is sent again.
      assert.lengthOf(aws.seen, 1)
    })
  )

  it.effect.each<readonly [what: string, answer: Answer, message: string]>([
    ["no JSON", (_, response) => response.writeHead(200).end("<html>"), "Amazon ECR answered without a token"],
    ["no token", (_, response) => json(response, { authorizationData: [] }), "Amazon ECR answered without a token"],
    [
      "a redirect, which is not followed",
      (_, response) => response.writeHead(307, { location: "http://127.0.0.1:1/" }).end(),
      "Amazon ECR answered 307"
    ],
    ["a broken connection", (_, response) => response.destroy(), "the request to Amazon ECR failed: "]
  ])("a credential for ECR fails on %s", ([, answer, message]) =>
    Effect.gen(function* () {
      const aws = yield* startAws(answer)
      const error = yield* Effect.flip(credential({ ...KEYS, ...NOWHERE, ecrEndpoint: aws.url }))
      assert.strictEqual(error.kind, "Failed")
      assert.include(error.message, message)
    })
  )

  it.effect("a credential for ECR fails if AWS does not answer in time", () =>
    Effect.gen(function* () {
      let asked = () => {}
      const arrived = new Promise<void>((resolve) => (asked = resolve))
      const aws = yield* startAws(() => asked())
      const fiber = yield* Effect.forkChild(Effect.flip(credential({ ...KEYS, ...NOWHERE, ecrEndpoint: aws.url })))
      yield* Effect.promise(() => arrived)
      yield* TestClock.adjust("10 seconds")
      assert.include((yield* Fiber.join(fiber)).message, "Amazon ECR did not answer within 10 seconds")
    })
  )
})

describe("the identity in AWS", () => {
  const issued = (id: string, expiration = "2026-11-24T13:00:00Z") => ({
    Code: "Success",
    AccessKeyId: id,
    SecretAccessKey: SECRET,
    Token: "session-2",
    Expiration: expiration
  })
  /** The key that signed the last call of ECR. */
  const signedBy = (seen: ReadonlyArray<Seen>): string =>
    /Credential=([^/]+)/u.exec(seen.findLast(({ body }) => body === "{}")?.headers.authorization ?? "")?.[1] ?? ""
  const all: Answer = ({ body, method, url }, response) => {
    if (body === "{}") json(response, token("p", NOW + 12 * HOUR))
    else if (url.startsWith("/sts")) {
      response
        .writeHead(200, { "content-type": "text/xml" })
        .end(
          `<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>WEB</AccessKeyId><SecretAccessKey>${SECRET}</SecretAccessKey><SessionToken>session-2</SessionToken><Expiration>2026-11-24T13:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`
        )
    } else if (url.startsWith("/container")) json(response, issued("CONTAINER"))
    else if (method === "PUT") response.end("imds-token\n")
    else if (url.endsWith("/security-credentials/")) response.end("node-role\n")
    else if (url.endsWith("/security-credentials/node-role")) json(response, issued("INSTANCE"))
    else response.writeHead(404).end()
  }
  const everything = (url: string, tokenFile: string): AwsVariables => ({
    ...KEYS,
    roleArn: "arn:aws:iam::1:role/mirror",
    webIdentityTokenFile: tokenFile,
    containerFullUri: `${url}/container`,
    containerTokenFile: tokenFile,
    instanceEndpoint: url,
    ecrEndpoint: url,
    stsEndpoint: `${url}/sts`
  })
  const without = (variables: AwsVariables, ...names: ReadonlyArray<keyof AwsVariables>): AwsVariables =>
    Object.fromEntries(Object.entries(variables).filter(([name]) => !names.some((other) => other === name)))

  it.effect("the AWS identity is tried in AWS's own order, and the first source wins", () =>
    Effect.gen(function* () {
      const tokenFile = yield* file("web-token\n")
      const aws = yield* startAws(all)
      let variables = everything(aws.url, tokenFile)
      const expected: ReadonlyArray<
        readonly [by: string, gone: ReadonlyArray<keyof AwsVariables>, asked: ReadonlyArray<string>]
      > = [
        ["AKIDEXAMPLE", [], ["POST /"]],
        ["WEB", ["secretAccessKey"], ["POST /sts", "POST /"]],
        ["CONTAINER", ["webIdentityTokenFile"], ["GET /container", "POST /"]],
        [
          "INSTANCE",
          ["containerFullUri"],
          [
            "PUT /latest/api/token",
            "GET /latest/meta-data/iam/security-credentials/",
            "GET /latest/meta-data/iam/security-credentials/node-role",
            "POST /"
          ]
        ]
      ]
      for (const [by, gone, asked] of expected) {
        variables = without(variables, ...gone)
        const before = aws.seen.length
        yield* credential(variables)
        assert.deepStrictEqual([signedBy(aws.seen), aws.asked().slice(before)], [by, asked])
      }
    })
  )

  it.effect("the web identity's token is sent to STS in the body", () =>
    Effect.gen(function* () {
      const aws = yield* startAws(all)
      yield* credential({
        ...NOWHERE,
        roleArn: "arn:aws:iam::1:role/mirror",
        webIdentityTokenFile: yield* file("web-token\n"),
        ecrEndpoint: aws.url,
        stsEndpoint: `${aws.url}/sts`
      })
      const [sts, ecr] = aws.seen
      assert.deepStrictEqual(Object.fromEntries(new URLSearchParams(sts?.body)), {
        Action: "AssumeRoleWithWebIdentity",
        Version: "2011-06-15",
        RoleArn: "arn:aws:iam::1:role/mirror",
        RoleSessionName: "skopeo-operator",
        WebIdentityToken: "web-token"
      })
      assert.notProperty(sts?.headers, "authorization")
      assert.strictEqual(ecr?.headers["x-amz-security-token"], "session-2")
    })
  )

  it.effect("the endpoints of a container and an instance get their tokens", () =>
    Effect.gen(function* () {
      const aws = yield* startAws(all)
      yield* credential({
        containerFullUri: `${aws.url}/container`,
        containerTokenFile: yield* file("pod-token\n"),
        ecrEndpoint: aws.url
      })
      assert.strictEqual(aws.seen[0]?.headers.authorization, "pod-token")
      const before = aws.seen.length
      yield* credential({ instanceEndpoint: `${aws.url}/`, ecrEndpoint: aws.url })
      const [put, role, keys] = aws.seen.slice(before)
      assert.isDefined(put?.headers["x-aws-ec2-metadata-token-ttl-seconds"])
      assert.strictEqual(put?.headers["content-length"], "0")
      for (const call of [role, keys]) assert.strictEqual(call?.headers["x-aws-ec2-metadata-token"], "imds-token")
    })
  )

  it.effect("the AWS identity is renewed before it expires, and at once when AWS refuses it", () =>
    Effect.gen(function* () {
      let refuse = false
      const aws = yield* startAws((seen, response) => {
        if (seen.body === "{}" && refuse) json(response, { __type: "ExpiredTokenException" }, 400)
        else if (seen.body === "{}") json(response, token("p", NOW + 100 * HOUR))
        else all(seen, response)
      })
      const cloud = yield* provider({
        containerFullUri: `${aws.url}/container`,
        containerToken: Redacted.make("t"),
        ecrEndpoint: aws.url
      })
      const regions = ["eu-west-1", "eu-west-2", "eu-west-3", "eu-north-1", "eu-south-1"]
      const ask = (index: number) => cloud.credential(`123456789012.dkr.ecr.${regions[index]}.amazonaws.com`)
      const containers = () => aws.asked().filter((asked) => asked === "GET /container").length
      yield* ask(0)
      yield* TestClock.adjust("54 minutes")
      yield* ask(1)
      assert.strictEqual(containers(), 1, "shared while it lasts")
      yield* TestClock.adjust("2 minutes")
      yield* ask(2)
      assert.strictEqual(containers(), 2, "renewed five minutes before its end")
      refuse = true
      yield* Effect.flip(ask(3))
      refuse = false
      const before = containers()
      yield* ask(4)
      assert.strictEqual(containers(), before + 1)
    })
  )

  it.effect("a missing AWS identity is cached for half a minute, and the error has the remedy", () =>
    Effect.gen(function* () {
      const aws = yield* startAws((_, response) => response.writeHead(404).end())
      const cloud = yield* provider({ instanceEndpoint: aws.url, ecrEndpoint: aws.url })
      for (let time = 0; time < 3; time++) {
        const error = yield* Effect.flip(cloud.credential(REGISTRY))
        assert.strictEqual(error.kind, "NoIdentity")
        assert.include(error.message, "annotate its service account with eks.amazonaws.com/role-arn")
      }
      assert.deepStrictEqual(aws.asked(), ["PUT /latest/api/token"])
      yield* TestClock.adjust("31 seconds")
      yield* Effect.flip(cloud.credential(REGISTRY))
      assert.lengthOf(aws.seen, 2)
    })
  )

  it.effect("an instance without a role has no identity, and metadata that refuses is an error", () =>
    Effect.gen(function* () {
      const aws = yield* startAws((seen, response) =>
        seen.method === "PUT" ? response.end("t") : response.writeHead(404).end()
      )
      assert.strictEqual((yield* Effect.flip(credential({ instanceEndpoint: aws.url }))).kind, "NoIdentity")
      const before = aws.seen.length
      assert.strictEqual((yield* Effect.flip(credential({ instanceEndpoint: aws.url, ...NOWHERE }))).kind, "NoIdentity")
      assert.lengthOf(aws.seen, before)
    })
  )

  it.effect.each<readonly [what: string, variables: AwsVariables, message: string]>([
    [
      "a container's endpoint elsewhere, in the clear",
      { containerFullUri: "http://evil.test/credentials", containerToken: Redacted.make("pod-token") },
      "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither an https:// URL nor an address of this machine; nothing was sent there"
    ],
    [
      "one that only looks like this machine's",
      { containerFullUri: "http://127.0.0.1.evil.test/", containerToken: Redacted.make("pod-token") },
      "nothing was sent there"
    ],
    [
      "a token file that is not there",
      { roleArn: "arn:aws:iam::1:role/mirror", webIdentityTokenFile: "/nowhere/token" },
      "the token file /nowhere/token cannot be read (NotFound)"
    ]
  ])("the AWS identity fails with the cause: %s", ([, variables, message]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(credential({ ...variables, ...NOWHERE }))
      assert.strictEqual(error.kind, "Failed")
      assert.include(error.message, message)
      assert.notInclude(error.message, "pod-token")
    })
  )

  it.effect.each<readonly [what: string, variables: AwsVariables, message: string]>([
    [
      "of STS",
      { roleArn: "arn:aws:iam::1:role/mirror", stsEndpoint: "sts.corp:443" },
      "the address of AWS STS, sts.corp:443, is not a URL"
    ],
    ["of ECR", { ...KEYS, ecrEndpoint: "ecr.corp/" }, "the address of Amazon ECR, ecr.corp/, is not a URL"]
  ])("the AWS identity fails for an endpoint that is not a URL, %s", ([, variables, message]) =>
    Effect.gen(function* () {
      const webIdentityTokenFile = yield* file("web-token")
      const error = yield* Effect.flip(credential({ ...variables, ...NOWHERE, webIdentityTokenFile }))
      assert.strictEqual(error.kind, "Failed")
      assert.include(error.message, message)
    })
  )

  it.effect("there is no AWS identity if the instance's metadata has no address", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(credential({ instanceEndpoint: "169.254.169.254" }))
      assert.strictEqual(error.kind, "NoIdentity")
    })
  )

  it.effect("a refusal of STS has the text of STS and not the token", () =>
    Effect.gen(function* () {
      const aws = yield* startAws((_, response) =>
        response
          .writeHead(403)
          .end(
            "<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not authorized: web-token</Message></Error></ErrorResponse>"
          )
      )
      const error = yield* Effect.flip(
        credential({
          ...NOWHERE,
          roleArn: "arn:aws:iam::1:role/mirror",
          webIdentityTokenFile: yield* file("web-token"),
          stsEndpoint: aws.url
        })
      )
      assert.include(
        error.message,
        "AWS STS answered 403 AccessDenied: Not authorized: <redacted>; does the role arn:aws:iam::1:role/mirror trust its service account?"
      )
    })
  )
})
