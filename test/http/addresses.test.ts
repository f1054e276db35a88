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
import { hostRule } from "../../src/http/HostRule.ts"

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
    ["127.0.0.1", "loopback"],
    ["::1", "loopback"],
    ["0:0:0:0:0:0:0:1", "loopback"],
    ["fd12:3456::1", "private"],
    ["192.0.0.8", "private"],
    ["198.18.0.1", "private"],
    ["198.19.255.255", "private"],
    ["198.20.0.1", "public"],
    ["fec0::1", "private"],
    ["64:ff9b:1::1", "private"],
    ["64:ff9b:2::1", "private"],
    ["::ffff:10.1.2.3", "private"],
    ["::10.1.2.3", "private"],
    ["::127.0.0.1", "loopback"],
    ["::7f00:1", "loopback"],
    ["::8.8.8.8", "public"],
    ["::2", "link-local"],
    ["::169.254.169.254", "link-local"],
    ["::a9fe:a9fe", "link-local"],
    ["::100.100.100.200", "link-local"],
    ["::a83f:8110", "link-local"],
    ["::1:a9fe:a9fe", "private"],
    ["169.254.169.254", "link-local"],
    ["::ffff:169.254.169.254", "link-local"],
    ["64:ff9b::a9fe:a9fe", "link-local"],
    ["64:ff9b::6464:64c8", "link-local"],
    ["64:ff9b::a83f:8110", "link-local"],
    ["64:ff9b::a01:203", "private"],
    ["64:ff9b::7f00:1", "loopback"],
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
    ["127.255.255.254", "loopback"],
    ["::ffff:127.0.0.1", "loopback"],
    ["::ffff:0:127.0.0.1", "loopback"],
    ["::ffff:0:10.1.2.3", "private"],
    ["192.0.0.192", "link-local"],
    ["::ffff:192.0.0.192", "link-local"],
    ["192.0.2.1", "private"],
    ["198.51.100.7", "private"],
    ["203.0.113.7", "private"],
    ["192.88.99.1", "private"],
    ["240.0.0.1", "private"],
    ["2001::1", "private"],
    ["2001:2::1", "private"],
    ["2001:db8::1", "private"],
    ["3fff::1", "private"],
    ["5f00::1", "private"],
    ["100::1", "private"],
    ["4000::1", "private"],
    ["fe80::1%eth0", "link-local"],
    ["no address", "link-local"],
    ["ff02::1", "link-local"]
  ] as const) {
    it(`the address ${address} is ${kind}`, () => assert.strictEqual(kindOfAddress(address), kind))
  }
})

/** An address guard over the given names and their addresses. */
const world = (names: Readonly<Record<string, ReadonlyArray<string>>>, { listed = "", loopback = true } = {}) =>
  makeAddresses({
    isPrivateAllowed: hostRule(listed),
    loopback,
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
    "near.example": ["10.0.0.1", "127.0.0.1"],
    localhost: ["127.0.0.1", "::1"],
    "metadata.example": ["169.254.169.254"]
  }
  const url = (host: string) => new URL(`https://${host}/token`)

  for (const [host, scope, expected] of [
    ["public.example", "named", "8.8.8.8"],
    ["public.example", "public", "8.8.8.8"],
    ["private.example", "named", "10.0.0.1,fd00::1"],
    ["private.example", "private", "10.0.0.1,fd00::1"],
    ["private.example", "public", "AddressRefused private.example has the address 10.0.0.1"],
    ["both.example", "named", "8.8.8.8"],
    ["both.example", "private", "8.8.8.8,10.0.0.1"],
    ["both.example", "public", "8.8.8.8"],
    ["near.example", "named", "10.0.0.1"],
    ["localhost", "named", "127.0.0.1,::1"],
    ["localhost", "private", "AddressRefused localhost has the address 127.0.0.1"],
    ["localhost", "public", "AddressRefused localhost has the address 127.0.0.1"],
    ["metadata.example", "named", "AddressRefused metadata.example has the address 169.254.169.254"],
    ["metadata.example", "private", "AddressRefused metadata.example has the address 169.254.169.254"],
    ["metadata.example", "any", "169.254.169.254"]
  ] as const) {
    it(`In the scope ${scope}, ${host} resolves to: ${expected}`, () => {
      assert.strictEqual(resolved(world(names), scope, host), expected)
    })
  }

  it("In a cluster a name with a loopback address is refused although an Image names it", () => {
    const addresses = world(names, { loopback: false })
    assert.strictEqual(resolved(addresses, "named", "localhost"), "AddressRefused localhost has the address 127.0.0.1")
    assert.strictEqual(resolved(addresses, "named", "near.example"), "10.0.0.1")
    assert.strictEqual(addresses.refusalOf(url("127.0.0.1:5000"), "named")?.reason._tag, "AddressRefused")
    assert.strictEqual(addresses.refusalOf(url("[::1]"), "named")?.reason._tag, "AddressRefused")
  })

  it("A registry may refer to its own host and to listed hosts, and else only to public addresses", () => {
    const addresses = world(names, { listed: "tokens.example,10.9.0.0/16,store.example:8443" })
    for (const [named, to, scope] of [
      ["public.example", "public.example:5000", "named"],
      ["private.example", "private.example:5000", "named"],
      ["private.example", "tokens.example", "private"],
      ["public.example", "tokens.example", "private"],
      ["private.example", "other.example", "public"],
      ["10.0.0.1", "10.0.0.1:8080", "named"],
      ["10.0.0.1", "10.0.0.2", "public"],
      ["10.0.0.1", "10.9.8.7", "private"],
      ["[fd00::1]", "[fd00::1]:443", "named"],
      ["127.0.0.1", "localhost:5001", "named"],
      ["localhost", "[::1]:5001", "named"],
      ["10.0.0.1", "localhost", "public"],
      ["private.example", "127.0.0.1", "public"],
      ["private.example", "store.example:8443", "private"],
      ["private.example", "store.example", "public"]
    ] as const) {
      assert.strictEqual(addresses.scopeFor(named, url(to)), scope, `${named} to ${to}`)
    }
  })

  /** What a name resolves to at each of the times, when an Image names the host. */
  const over = (times: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
    const changing: Record<string, ReadonlyArray<string>> = {}
    const addresses = world(changing)
    return times.map((found) => {
      changing["turning.example"] = found
      return resolved(addresses, "named", "turning.example").replace("AddressRefused turning.example has the", "no:")
    })
  }

  it("A name that had a public address is never resolved to a private address again", () => {
    assert.deepStrictEqual(over([["8.8.8.8"], ["10.0.0.1"], ["127.0.0.1"], ["8.8.4.4", "10.0.0.1"]]), [
      "8.8.8.8",
      "no: address 10.0.0.1",
      "no: address 127.0.0.1",
      "8.8.4.4"
    ])
  })

  it("A private name may become public, and stays public", () => {
    assert.deepStrictEqual(over([["10.0.0.1"], ["10.0.0.2"], ["8.8.8.8"], ["10.0.0.1"]]), [
      "10.0.0.1",
      "10.0.0.2",
      "8.8.8.8",
      "no: address 10.0.0.1"
    ])
  })

  it("A private name is never resolved to a loopback address", () => {
    assert.deepStrictEqual(over([["10.0.0.1"], ["127.0.0.1"]]), ["10.0.0.1", "no: address 127.0.0.1"])
  })

  it("A name keeps its class while thousands of other names are resolved", () => {
    const changing: Record<string, ReadonlyArray<string>> = { "turning.example": ["8.8.8.8"] }
    const addresses = world(changing)
    resolved(addresses, "named", "turning.example")
    for (let at = 0; at < 9_000; at++) {
      changing[`host-${at}.example`] = ["8.8.8.8"]
      resolved(addresses, "named", `host-${at}.example`)
    }
    changing["turning.example"] = ["10.0.0.1"]
    assert.include(resolved(addresses, "named", "turning.example"), "AddressRefused")
  })

  it("A registry that must have a public address gains no scope from its name or from what other Images have found", () => {
    const addresses = world(names, { listed: "tokens.example" })
    resolved(addresses, "named", "private.example")
    for (const named of ["private.example", "10.0.0.1", "tokens.example", "unknown.example"]) {
      assert.strictEqual(addresses.scopeFor(named, url(named), false), "public", named)
      assert.strictEqual(addresses.scopeFor(named, url("inside.example"), false), "public", named)
    }
    assert.strictEqual(addresses.scopeFor("public.example", url("tokens.example"), false), "private")
  })

  it("A literal address that is not public and a name of the machine itself are private hosts", () => {
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

  it("A URL whose host is an address is judged by that address", () => {
    const addresses = world({})
    const refused = (host: string, scope: AddressScope) => {
      const reason = addresses.refusalOf(url(host), scope)?.reason
      return reason?._tag === "AddressRefused" ? reason.address : undefined
    }
    assert.strictEqual(refused("10.0.0.1", "public"), "10.0.0.1")
    assert.strictEqual(refused("[::1]:5000", "public"), "::1")
    assert.strictEqual(refused("[::1]:5000", "private"), "::1")
    assert.isUndefined(refused("[::1]:5000", "named"))
    assert.isUndefined(refused("10.0.0.1", "private"))
    assert.strictEqual(refused("169.254.169.254", "named"), "169.254.169.254")
    assert.strictEqual(refused("[::169.254.169.254]", "private"), "::a9fe:a9fe")
    // URL normalizes the many spellings of an address.
    assert.strictEqual(refused("0xa9fea9fe", "named"), "169.254.169.254")
    assert.strictEqual(refused("2852039166", "named"), "169.254.169.254")
    assert.isUndefined(refused("name.example", "public"))
    assert.isUndefined(refused("169.254.169.254", "any"))
  })
})
