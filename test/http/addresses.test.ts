import { assert, describe, it } from "@effect/vitest"
import type { LookupAddress } from "node:dns"
import {
  type Addresses,
  type AddressScope,
  isPrivateHost,
  kindOfAddress,
  makeAddresses
} from "../../src/http/addresses.ts"
import { ConnectionError } from "../../src/http/ConnectionError.ts"

describe("kindOfAddress", () => {
  for (const [address, kind] of [
    ["8.8.8.8", "public"],
    ["2606:4700::1111", "public"],
    ["172.15.0.1", "public"],
    ["172.32.0.1", "public"],
    ["10.1.2.3", "private"],
    ["172.16.0.1", "private"],
    ["172.31.255.255", "private"],
    ["192.168.1.1", "private"],
    ["100.64.0.1", "private"],
    ["127.0.0.1", "private"],
    ["::1", "private"],
    ["0:0:0:0:0:0:0:1", "private"],
    ["fd12:3456::1", "private"],
    ["192.0.0.8", "private"],
    ["198.18.0.1", "private"],
    ["198.19.255.255", "private"],
    ["198.20.0.1", "public"],
    ["fec0::1", "private"],
    ["64:ff9b:1::1", "private"],
    ["64:ff9b:2::1", "public"],
    ["::ffff:10.1.2.3", "private"],
    ["::10.1.2.3", "private"],
    ["::127.0.0.1", "private"],
    ["::7f00:1", "private"],
    ["::8.8.8.8", "public"],
    ["::2", "link-local"],
    ["::169.254.169.254", "link-local"],
    ["::a9fe:a9fe", "link-local"],
    ["::100.100.100.200", "link-local"],
    ["::a83f:8110", "link-local"],
    ["::1:a9fe:a9fe", "public"],
    ["169.254.169.254", "link-local"],
    ["::ffff:169.254.169.254", "link-local"],
    ["64:ff9b::a9fe:a9fe", "link-local"],
    ["64:ff9b::6464:64c8", "link-local"],
    ["64:ff9b::a83f:8110", "link-local"],
    ["64:ff9b::a01:203", "private"],
    ["64:ff9b::7f00:1", "private"],
    ["64:ff9b::808:808", "public"],
    ["2002:a9fe:a9fe::1", "link-local"],
    ["2002:a83f:8110::", "link-local"],
    ["2002:c0a8:101::1", "private"],
    ["2002:808:808::1", "public"],
    ["168.63.129.16", "link-local"],
    ["::ffff:168.63.129.16", "link-local"],
    ["168.63.129.17", "public"],
    ["fd00:42::42", "link-local"],
    ["fd00:42::43", "private"],
    ["fe80::1", "link-local"],
    ["fd00:ec2::254", "link-local"],
    ["fd20:ce::254", "link-local"],
    ["100.100.100.200", "link-local"],
    ["0.0.0.0", "link-local"],
    ["::", "link-local"],
    ["224.0.0.1", "link-local"],
    ["255.255.255.255", "link-local"],
    ["ff02::1", "link-local"]
  ] as const) {
    it(`the address ${address} is ${kind}`, () => assert.strictEqual(kindOfAddress(address), kind))
  }
})

/** An address guard over the given names and their addresses. `allowed` are the allowed private hosts. */
const world = (names: Readonly<Record<string, ReadonlyArray<string>>>, allowed = "none") =>
  makeAddresses({
    isPrivateAllowed: (host) => host === allowed,
    resolve: (host, done) =>
      done(
        null,
        (names[host] ?? []).map((address): LookupAddress => ({ address, family: address.includes(":") ? 6 : 4 }))
      )
  })

/** The addresses to which a connection would be made, or the refusal. */
const resolved = (addresses: Addresses, scope: AddressScope, host: string): string => {
  let said = ""
  addresses.lookupWithin(scope)(host, { all: true }, (error, found) => {
    said =
      error === null
        ? [found]
            .flat()
            .map((one) => (typeof one === "string" ? one : one.address))
            .join(",")
        : error instanceof ConnectionError
          ? `${error.reason._tag} ${error.detail}`
          : error.message
  })
  return said
}

describe("names", () => {
  const names = {
    "public.example": ["8.8.8.8"],
    "private.example": ["10.0.0.1", "fd00::1"],
    "both.example": ["8.8.8.8", "10.0.0.1"],
    "metadata.example": ["169.254.169.254"]
  }

  for (const [host, all, only] of [
    ["public.example", "8.8.8.8", "8.8.8.8"],
    ["private.example", "10.0.0.1,fd00::1", "AddressRefused private.example has the address 10.0.0.1"],
    ["both.example", "8.8.8.8,10.0.0.1", "8.8.8.8"],
    [
      "metadata.example",
      "AddressRefused metadata.example has the address 169.254.169.254",
      "AddressRefused metadata.example has the address 169.254.169.254"
    ]
  ] as const) {
    it(`${host} resolves only to addresses within the scope`, () => {
      assert.strictEqual(resolved(world(names), "private", host), all)
      assert.strictEqual(resolved(world(names), "public", host), only)
    })
  }

  const url = (host: string) => new URL(`https://${host}/token`)

  it("a registry with a private address may refer to private addresses, a public registry may not", () => {
    const addresses = world(names)
    for (const host of Object.keys(names)) resolved(addresses, "private", host)
    assert.strictEqual(addresses.scopeFor("public.example", url("public.example:5000")), "private")
    assert.strictEqual(addresses.scopeFor("public.example", url("private.example")), "public")
    assert.strictEqual(addresses.scopeFor("both.example", url("private.example")), "public")
    assert.strictEqual(addresses.scopeFor("private.example", url("tokens.example")), "private")
    assert.strictEqual(addresses.scopeFor("10.0.0.1", url("tokens.example")), "private")
    assert.strictEqual(addresses.scopeFor("[fd00::1]", url("tokens.example")), "private")
    assert.strictEqual(addresses.scopeFor("8.8.8.8", url("tokens.example")), "public")
    assert.strictEqual(addresses.scopeFor("unknown.example", url("tokens.example")), "public")
    assert.strictEqual(world(names, "tokens.example").scopeFor("8.8.8.8", url("tokens.example")), "private")
  })

  it("a host that once had a public address does not gain the private scope later", () => {
    const changing: Record<string, ReadonlyArray<string>> = { "turning.example": ["10.0.0.1"] }
    const addresses = world(changing)
    resolved(addresses, "private", "turning.example")
    assert.strictEqual(addresses.scopeFor("turning.example", url("inside.example")), "private")
    changing["turning.example"] = ["8.8.8.8"]
    resolved(addresses, "private", "turning.example")
    changing["turning.example"] = ["10.0.0.1"]
    resolved(addresses, "private", "turning.example")
    assert.strictEqual(addresses.scopeFor("turning.example", url("inside.example")), "public")
  })

  it("a registry that must have a public address gains no scope from its name or from what other Images have found", () => {
    const addresses = world(names, "tokens.example")
    resolved(addresses, "private", "private.example")
    for (const named of ["private.example", "10.0.0.1", "tokens.example", "unknown.example"]) {
      assert.strictEqual(addresses.scopeFor(named, url(named), false), "public", named)
      assert.strictEqual(addresses.scopeFor(named, url("inside.example"), false), "public", named)
    }
    assert.strictEqual(addresses.scopeFor("public.example", url("tokens.example"), false), "private")
  })

  it("a literal address that is not public and a name of the machine itself are private hosts", () => {
    for (const host of [
      "10.0.0.1",
      "10.0.0.1:5000",
      "[::1]:5000",
      "0x7f.1",
      "169.254.169.254",
      "localhost",
      "a.localhost:80"
    ]) {
      assert.isTrue(isPrivateHost(host), host)
    }
    for (const host of ["8.8.8.8", "quay.io", "registry.corp:5000", "localhost.example", "notlocalhost"]) {
      assert.isFalse(isPrivateHost(host), host)
    }
  })

  it("a URL whose host is an address is judged by that address", () => {
    const addresses = world({})
    const refused = (host: string, scope: AddressScope) => {
      const reason = addresses.refusalOf(url(host), scope)?.reason
      return reason?._tag === "AddressRefused" ? reason.address : undefined
    }
    assert.strictEqual(refused("10.0.0.1", "public"), "10.0.0.1")
    assert.strictEqual(refused("[::1]:5000", "public"), "::1")
    assert.isUndefined(refused("10.0.0.1", "private"))
    assert.strictEqual(refused("169.254.169.254", "private"), "169.254.169.254")
    assert.strictEqual(refused("[::169.254.169.254]", "private"), "::a9fe:a9fe")
    // URL normalizes the many spellings of an address.
    assert.strictEqual(refused("0xa9fea9fe", "private"), "169.254.169.254")
    assert.strictEqual(refused("2852039166", "private"), "169.254.169.254")
    assert.isUndefined(refused("name.example", "public"))
  })

  it("the link-local scope allows every address", () => {
    const addresses = world(names)
    assert.strictEqual(resolved(addresses, "link-local", "metadata.example"), "169.254.169.254")
    assert.isUndefined(addresses.refusalOf(url("169.254.169.254"), "link-local"))
  })
})
