/** The layers of the registry client and of the credentials, made from the configuration. */
import { Effect, Layer } from "effect"
import type { registryConfig } from "./Config.ts"
import * as AuthFiles from "./credentials/AuthFiles.ts"
import * as AwsEcr from "./credentials/AwsEcr.ts"
import * as CloudIdentity from "./credentials/CloudIdentity.ts"
import * as ConfiguredCredentials from "./credentials/ConfiguredCredentials.ts"
import { Credentials } from "./credentials/Credentials.ts"
import * as CustomCredentials from "./credentials/CustomCredentials.ts"
import * as ImageSecrets from "./credentials/ImageSecrets.ts"
import { Policy } from "./credentials/Policy.ts"
import { Metrics } from "./metrics/Metrics.ts"
import * as RegistryClientHttp from "./registry/RegistryClientHttp.ts"
import { version } from "./version.ts"

type RegistryConfig = Effect.Success<typeof registryConfig>

/** The registry client, which reports its requests to the metrics. `loopback` says whether Images may name this machine. */
export const client = (
  { certificates, limits, plainHttp, privateHosts, proxies, tokenServers }: RegistryConfig,
  loopback = true
) =>
  Layer.unwrap(
    Effect.map(Metrics, ({ registries: observer }) =>
      RegistryClientHttp.layer({
        userAgent: `skopeo-operator/${version}`,
        certificates,
        plainHttp,
        privateHosts,
        loopback,
        proxies,
        tokenServers,
        limits,
        observer
      })
    )
  )

/** The hosts of this machine. A credential that is sent to them by plain HTTP stays on this machine. */
const LOOPBACK = "localhost,127.0.0.0/8,[::1]"

/** The registry client of a command. Its user may send credentials to registries on this machine by plain HTTP. */
export const localClient = (config: RegistryConfig) =>
  client({ ...config, plainHttp: [config.plainHttp, LOOPBACK].join(",") })

const cloud = ({ awsVariables, certificates, proxies }: RegistryConfig) =>
  AwsEcr.layer({ variables: awsVariables, certificates, proxies })

/** The policy of the operator's owner, if a file has one. A command's flag comes before the variable. */
export const policy = ({ policyFile }: RegistryConfig, flag?: { readonly setting: string; readonly path: string }) => {
  const { path, ...options } = flag ?? { path: policyFile }
  if (path === undefined) return Policy.layerNone
  return Layer.unwrap(
    Effect.map(Metrics, ({ policyRead }) =>
      Policy.layerFile(path, { ...options, onRead: (isValid) => policyRead(path, isValid) })
    )
  )
}

/** The credentials in a cluster, first of all the Secrets of Images. */
export const clusterCredentials = (config: RegistryConfig) =>
  Credentials.layer(
    Effect.all([
      ImageSecrets.make({ enabled: config.perImage }),
      CloudIdentity.make,
      CustomCredentials.make,
      AuthFiles.make(config.authFiles.named, "Operator"),
      ConfiguredCredentials.make(config.credentials)
    ]),
    config
  ).pipe(Layer.provide(cloud(config)))

/**
 * The credentials without a cluster. The logins of this machine's user replace the Secrets of Images. The flag `tlsVerify` of a
 * command comes before the configuration. Without it, registries on this machine need no TLS.
 */
export const localCredentials = (config: RegistryConfig, tlsVerify?: boolean) =>
  Credentials.layer(
    Effect.all([
      CloudIdentity.make,
      CustomCredentials.make,
      AuthFiles.make(config.authFiles.named, "Operator"),
      ConfiguredCredentials.make(config.credentials),
      AuthFiles.make(config.authFiles.machine, "User")
    ]),
    tlsVerify === undefined
      ? { ...config, verifyLoopback: false }
      : { tlsVerify: { source: tlsVerify, destination: tlsVerify } }
  ).pipe(Layer.provide(cloud(config)))
