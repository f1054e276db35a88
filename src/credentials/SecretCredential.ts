/** The credential that a Kubernetes Secret has for a repository. Pure. */
import { Redacted, Result } from "effect"
import type { CredentialReason } from "../domain/Reason.ts"
import type { Repository } from "../oci/Reference.ts"
import type { SecretObject } from "../kube/Resources.ts"
import type { Credential } from "../registry/RegistryClient.ts"
import { credentialIn, isFor, parseDockerConfig, scopesIn } from "./DockerConfig.ts"

/** Says which registries a user name and password are for, or which part of one: `host[/path]`, with commas between. */
export const REGISTRY_ANNOTATION = "skopeo.io/registry"

const DOCKER_CONFIG = { type: "kubernetes.io/dockerconfigjson", key: ".dockerconfigjson" }
const BASIC_AUTH = "kubernetes.io/basic-auth"
const NAMED = 5

/** Why a Secret is no credential for a repository, to be read after the Secret's name; holds nothing of its data. */
export interface SecretProblem {
  readonly reason: CredentialReason
  readonly message: string
}

type Judgement = Result.Result<Credential, SecretProblem>

/**
 * Whoever may write Images need not be allowed to read Secrets, and must not have them sent to a host of their own: so a
 * Secret is used only for registries that it names itself.
 */
export const credentialInSecret = (secret: SecretObject, repository: Repository): Judgement => {
  if (secret.type === DOCKER_CONFIG.type) return inDockerConfig(secret, repository)
  if (secret.type === BASIC_AUTH) return inBasicAuth(secret, repository)
  return invalid(
    `is of type ${secret.type ?? "Opaque"}; make one of type ${DOCKER_CONFIG.type} (kubectl create secret docker-registry), or of type ${BASIC_AUTH} with the annotation ${REGISTRY_ANNOTATION}`
  )
}

const inDockerConfig = (secret: SecretObject, repository: Repository): Judgement => {
  const text = textOf(secret, DOCKER_CONFIG.key)
  if (text === "") return invalid(`has no ${DOCKER_CONFIG.key} in its data`)
  // Programs that it names as helpers are not run: it is not the operator's own configuration.
  const found = Result.flatMap(parseDockerConfig(text), (config) =>
    Result.map(credentialIn(config, repository), (credential) => ({ credential, scopes: scopesIn(config) }))
  )
  if (Result.isFailure(found)) return invalid(`has a ${DOCKER_CONFIG.key} that ${found.failure}`)
  const { credential, scopes } = found.success
  return Result.fromOption(credential, () => forOthers(scopes, repository, "add it, or name another Secret"))
}

const inBasicAuth = (secret: SecretObject, repository: Repository): Judgement => {
  const { name, namespace = "" } = secret.metadata
  const written = secret.metadata.annotations?.[REGISTRY_ANNOTATION] ?? ""
  const hosts = written
    .split(",")
    .map((host) => host.trim())
    .filter((host) => host !== "")
  const command = `kubectl annotate secret -n ${namespace} ${name} --overwrite ${REGISTRY_ANNOTATION}=`
  if (hosts.length === 0) {
    return Result.fail({
      reason: "SecretUnbound",
      message: `does not say which registry its password is for, and so is sent nowhere; give it the annotation ${REGISTRY_ANNOTATION} with the hosts, here ${repository.registry}: ${command}${repository.registry}`
    })
  }
  if (!hosts.some((host) => isFor(host, repository))) {
    return Result.fail(
      forOthers(
        hosts,
        repository,
        `name another Secret, or add the host: ${command}${[...hosts, repository.registry].join(",")}`
      )
    )
  }
  const username = textOf(secret, "username")
  const password = textOf(secret, "password")
  if (username === "" || password === "") {
    return invalid(`has no ${username === "" ? "username" : "password"} in its data`)
  }
  return Result.succeed({ username, password: Redacted.make(password) })
}

const textOf = (secret: SecretObject, key: string): string =>
  Buffer.from(secret.data?.[key] ?? "", "base64").toString("utf8")

const invalid = (message: string): Judgement => Result.fail({ reason: "SecretInvalid", message })

const forOthers = (scopes: ReadonlyArray<string>, { registry }: Repository, remedy: string): SecretProblem => {
  const shown = scopes.slice(0, NAMED).join(", ") + (scopes.length > NAMED ? ` and ${scopes.length - NAMED} more` : "")
  return {
    reason: "SecretForOtherRegistry",
    message: `has credentials for ${shown === "" ? "no registry" : shown}, and none for ${registry}; ${remedy}`
  }
}
