/**
 * Loaded before the operator: names with the addresses of an attacker's choice, without a DNS server and without the networks
 * behind them. The operator judges the addresses of the table; each connection ends at the loopback, at the same port. Plain
 * JavaScript, because the compiler of Node.js would take memory that is measured.
 */
import dns from "node:dns"
import { syncBuiltinESMExports } from "node:module"
import net from "node:net"

// No test sends anything to the public addresses.
const PUBLIC = "93.184.215.14"
const NAMES = {
  "public.hostile.test": [PUBLIC],
  "stranger.hostile.example": ["93.184.215.15"],
  "private.hostile.test": ["10.1.2.3"],
  "loopback.hostile.test": ["127.0.0.1"],
  "metadata.hostile.test": ["169.254.169.254"],
  "mapped.hostile.test": ["::ffff:10.1.2.3"],
  "nat64.hostile.test": ["64:ff9b::a01:203"],
  "local-nat64.hostile.test": ["64:ff9b:1::a01:203"],
  "teredo.hostile.test": ["2001:0:a01:203::1"],
  "site-local.hostile.test": ["fec0::1"],
  "benchmark.hostile.test": ["198.18.0.1"],
  "protocol.hostile.test": ["192.0.0.192"],
  "mixed.hostile.test": ["10.1.2.3", PUBLIC]
}
/** Names that are public for the first so many questions, and private then. */
const REBINDING = { "rebinding.hostile.test": 2 }
const asked = new Map()

const addressesOf = (host) => {
  const times = (asked.get(host) ?? 0) + 1
  asked.set(host, times)
  if (host in REBINDING) return times <= REBINDING[host] ? [PUBLIC] : ["10.1.2.3"]
  return NAMES[host]
}

const { lookup } = dns
dns.lookup = (host, options, done) => {
  if (typeof options === "function") return dns.lookup(host, {}, options)
  const addresses = addressesOf(host)
  if (addresses === undefined) return lookup(host, options, done)
  const found = addresses.map((address) => ({ address, family: net.isIP(address) }))
  setImmediate(() => (options.all ? done(null, found) : done(null, found[0].address, found[0].family)))
}
syncBuiltinESMExports()

const HERE = "127.0.0.1"
const { connect } = net.Socket.prototype
net.Socket.prototype.connect = function (...args) {
  const options = Array.isArray(args[0]) ? args[0][0] : args[0]
  if (options?.host && options.port) {
    if (net.isIP(options.host) !== 0) options.host = HERE
    else {
      const judged = options.lookup ?? dns.lookup
      options.lookup = (host, how, done) =>
        judged(host, how, (error, address, family) => {
          if (error) return done(error, address, family)
          return Array.isArray(address) ? done(null, [{ address: HERE, family: 4 }]) : done(null, HERE, 4)
        })
    }
  }
  return connect.apply(this, args)
}
