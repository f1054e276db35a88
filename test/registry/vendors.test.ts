import { assert, describe, it } from "@effect/vitest"
import { howToCreate } from "../../src/registry/vendors.ts"

const ecr = (region: string) => `aws ecr create-repository --repository-name team/app --region ${region}`

describe("how a repository is made", () => {
  it.each([
    ["123456789012.dkr.ecr.eu-west-1.amazonaws.com", ecr("eu-west-1")],
    ["123456789012.dkr.ecr-fips.us-east-1.amazonaws.com", ecr("us-east-1")],
    ["123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", ecr("cn-north-1")],
    ["123456789012.dkr-ecr.eu-west-1.on.aws", ecr("eu-west-1")],
    ["123456789012.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn", ecr("cn-north-1")],
    ["public.ecr.aws", "aws ecr-public create-repository --repository-name app --region us-east-1"]
  ])("howToCreate names the command for %s", (registry, command) => {
    assert.strictEqual(howToCreate({ registry, path: "team/app" }), `create the repository first: ${command}`)
  })

  it("howToCreate names only the repository for other registries", () => {
    assert.strictEqual(
      howToCreate({ registry: "registry.corp", path: "team/app" }),
      "create the repository team/app first"
    )
  })
})
