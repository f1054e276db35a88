/** How registries are reached, by configuration: the client, and where credentials for them come from. */
import { Effect, Layer } from "effect"
import type { registryConfig } from "./Config.ts"
import * as AuthFiles from "./credentials/AuthFiles.ts"
import * as AwsEcr from "./credentials/AwsEcr.ts"
import * as CloudIdentity from "./credentials/CloudIdentity.ts"
import * as ConfiguredCredentials from "./credentials/ConfiguredCredentials.ts"
import { Credentials } from "./credentials/Credentials.ts"
import * as ImageSecrets from "./credentials/ImageSecrets.ts"
import { Metrics } from "./Metrics.ts"
import * as RegistryClientHttp from "./registry/RegistryClientHttp.ts"
import { version } from "./version.ts"

type RegistryConfig = Effect.Success<typeof registryConfig>

export const client = ({ certificates, limits, privateHosts, proxies }: RegistryConfig) =>
  Layer.unwrap(
    Effect.map(Metrics, ({ registries: observer }) =>
      RegistryClientHttp.layer({
        userAgent: `skopeo-operator/${version}`,
        certificates,
        privateHosts,
        proxies,
        limits,
        observer
      })
    )
  )

const cloud = ({ awsVariables, certificates, proxies }: RegistryConfig) =>
  AwsEcr.layer({ variables: awsVariables, certificates, proxies })

/** In a cluster Images have Secrets of their own. */
export const clusterCredentials = (config: RegistryConfig) =>
  Credentials.layer(
    Effect.all([
      ImageSecrets.make({ enabled: config.perImage }),
      CloudIdentity.make,
      AuthFiles.make(config.authFiles.named, "Operator"),
      ConfiguredCredentials.make(config.credentials)
    ]),
    config
  ).pipe(Layer.provide(cloud(config)))

/** Without a cluster there are no Secrets: the logins of this machine's user stand in for them. */
export const localCredentials = (config: RegistryConfig) =>
  Credentials.layer(
    Effect.all([
      CloudIdentity.make,
      AuthFiles.make(config.authFiles.named, "Operator"),
      ConfiguredCredentials.make(config.credentials),
      AuthFiles.make(config.authFiles.machine, "User")
    ]),
    config
  ).pipe(Layer.provide(cloud(config)))
