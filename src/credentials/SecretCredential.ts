/** Finds the credential for a repository in a Kubernetes Secret. Pure. */
import { Redacted, Result } from "effect"
import type { CredentialReason } from "../domain/Reason.ts"
import { formatRepository, type Repository } from "../oci/Reference.ts"
import type { SecretObject } from "../kube/Resources.ts"
import type { Credential } from "../registry/RegistryClient.ts"
import { credentialIn, isFor, parseDockerConfig } from "./DockerConfig.ts"

/** The annotation with the registries of a user name and password, as `host[/path]` separated by commas. */
export const REGISTRY_ANNOTATION = "skopeo.io/registry"

const DOCKER_CONFIG = { type: "kubernetes.io/dockerconfigjson", key: ".dockerconfigjson" }
const BASIC_AUTH = "kubernetes.io/basic-auth"

/**
 * Why a Secret has no credential for a repository. The message is read after the Secret's name and holds none of its
 * data.
 */
export interface SecretProblem {
  readonly reason: CredentialReason
  readonly message: string
}

type Judgement = Result.Result<Credential, SecretProblem>

/**
 * Finds the credential in a Secret. A writer of Images may lack the permission to read Secrets, and must not make the
 * operator send a Secret to the writer's own host. A Secret is therefore used only for the registries that it names.
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
  // Helpers that a Secret names are not run, because a Secret is not the operator's configuration.
  const found = Result.flatMap(parseDockerConfig(text), (config) => credentialIn(config, repository))
  if (Result.isFailure(found)) return invalid(`has a ${DOCKER_CONFIG.key} that ${found.failure}`)
  return Result.fromOption(found.success, () => forOthers(repository, "add them, or name another Secret"))
}

const inBasicAuth = (secret: SecretObject, repository: Repository): Judgement => {
  const { name, namespace = "" } = secret.metadata
  const written = secret.metadata.annotations?.[REGISTRY_ANNOTATION] ?? ""
  const hosts = written
    .split(",")
    .map((host) => host.trim())
    .filter((host) => host !== "")
  if (hosts.length === 0) {
    return Result.fail({
      reason: "SecretUnbound",
      message: `does not name the registry of its password, so the password is not sent; add the annotation ${REGISTRY_ANNOTATION} with the hosts, here ${repository.registry}: kubectl annotate secret -n ${namespace} ${name} --overwrite ${REGISTRY_ANNOTATION}=${repository.registry}`
    })
  }
  if (!hosts.some((host) => isFor(host, repository))) {
    return Result.fail(
      forOthers(
        repository,
        `add ${repository.registry} to its annotation ${REGISTRY_ANNOTATION}, or name another Secret`
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

/** Names no other registry of the Secret: the reader of the message may lack the permission to read the Secret. */
const forOthers = (repository: Repository, remedy: string): SecretProblem => ({
  reason: "SecretForOtherRegistry",
  message: `has no credentials for ${formatRepository(repository)}; ${remedy}`
})
