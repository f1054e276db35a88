/**
 * Every reason of an Image's conditions: its meaning, the operator's handling, and the user's remedy. The tables group
 * the reasons by origin. Each reason is in one table.
 */
import { Struct } from "effect"

/** The explanation of a reason to users. */
export interface Explanation {
  /** The meaning of the reason. */
  readonly meaning: string
  /**
   * The operator's handling:
   * - `Informational`: nothing has failed
   * - `Retried`: the operator retries at growing intervals
   * - `Terminal`: the operator waits until an Image, or the operator's configuration, changes
   */
  readonly handling: "Informational" | "Retried" | "Terminal"
  /** The remedy for a user. */
  readonly remedy: string
}

/** Where an Image stands. */
const PROGRESS = {
  Copied: {
    meaning: "The destination has every tag that the Image selects.",
    handling: "Informational",
    remedy: "No action is needed."
  },
  Copying: {
    meaning: "Copies are under way, or wait for a free slot.",
    handling: "Informational",
    remedy: "No action is needed. The condition Reconciling names the remaining tags."
  },
  ProgressingWithRetry: {
    meaning: "A check or a copy failed or waits for a rate limit, and is retried.",
    handling: "Retried",
    remedy: "Read the reason and the message of the condition Ready."
  },
  NoTagMatches: {
    meaning: "The source has no tag that spec.source.version and spec.tags select.",
    handling: "Retried",
    remedy:
      "Compare the version with the nearest tags that the message names. The command skopeo-operator tags says why each tag is not selected."
  },
  TooFewTags: {
    meaning: "Fewer tags match than spec.tags.atLeast requires, so the list counts as a registry's mistake.",
    handling: "Retried",
    remedy: "Lower spec.tags.atLeast if the list is right."
  },
  TooManyTags: {
    meaning: "More tags are selected than spec.tags.max allows, which is 1,000 by default. Nothing is copied.",
    handling: "Retried",
    remedy: "Set spec.tags.latest, narrow the pattern, or raise spec.tags.max to at most 10,000."
  }
} as const satisfies Record<string, Explanation>

/** What is wrong with a spec. */
const SPEC = {
  InvalidSpec: {
    meaning: "A field of the Image is missing, unknown, of another type, or does not fit another field.",
    handling: "Terminal",
    remedy: "Change the field that the message names."
  },
  InvalidReference: {
    meaning: "The name of a source or a destination is not a repository name.",
    handling: "Terminal",
    remedy: "Write a repository by Docker's naming rules, without a tag and without a scheme."
  },
  InvalidPattern: {
    meaning: "spec.source.version is not a tag, pattern, range or digest.",
    handling: "Terminal",
    remedy: "Write a tag such as 1.27, a pattern such as v2.13.x, a range such as ^2.13.0, or a digest."
  },
  InvalidFrequency: {
    meaning: "spec.frequency is not a duration, or is too short or too long.",
    handling: "Terminal",
    remedy: "Write a duration of at least 10s, such as 15m, 1h30m or 1d12h."
  },
  InvalidDestinationVersion: {
    meaning: "spec.destination.version is not a tag, or does not fit spec.source.version.",
    handling: "Terminal",
    remedy: "Remove spec.destination.version for a pattern or a range, and name the tag to write for a digest."
  },
  InvalidExpression: {
    meaning: "An expression of spec.tags cannot be parsed, or would be too expensive to match.",
    handling: "Terminal",
    remedy: "Write a regular expression in the syntax of RE2, with smaller repeats."
  },
  InvalidPlatform: {
    meaning: "An entry of spec.platforms is not a platform.",
    handling: "Terminal",
    remedy: "Write os/architecture, such as linux/amd64, or os/architecture/variant, such as linux/arm/v7."
  },
  PlatformsUnsupported: {
    meaning: "The copy engine cannot leave out platforms of an image.",
    handling: "Terminal",
    remedy: "Leave spec.platforms out, or use another copy engine (COPY_ENGINE, the chart's config.copyEngine)."
  }
} as const satisfies Record<string, Explanation>

/** What the operator's policy decides about an Image. */
const POLICY = {
  PolicyRefused: {
    meaning: "The operator's policy does not accept the Image.",
    handling: "Terminal",
    remedy:
      "Change the field that the message names, or ask the administrator of the operator to change the rule that the message names. The Image goes on by itself when the policy accepts the Image."
  }
} as const satisfies Record<string, Explanation>

/** A requested credential cannot be used. The operator sends no request to the registry without it. */
const CREDENTIALS = {
  SecretNotFound: {
    meaning: "The Secret that the Image names is not in the Image's namespace.",
    handling: "Retried",
    remedy: "Create the Secret in the namespace of the Image, or correct its name."
  },
  SecretUnreadable: {
    meaning: "The API server does not give the Secret to the operator.",
    handling: "Retried",
    remedy: "Allow the operator's role to get Secrets (the chart's credentials.perImage)."
  },
  SecretInvalid: {
    meaning: "The type or the data of the Secret is not a registry credential.",
    handling: "Retried",
    remedy: "Make a Secret of type kubernetes.io/dockerconfigjson or kubernetes.io/basic-auth."
  },
  SecretUnbound: {
    meaning: "The Secret has a user name and a password, but does not name their registry.",
    handling: "Retried",
    remedy: "Annotate the Secret with skopeo.io/registry and the host of the registry."
  },
  SecretForOtherRegistry: {
    meaning: "The credentials of the Secret are for other registries than the one that the Image names.",
    handling: "Retried",
    remedy: "Add the registry to the Secret, or name another Secret."
  },
  SecretsDisabled: {
    meaning: "The operator is configured not to read Secrets of Images.",
    handling: "Retried",
    remedy: "Remove the Secret from the Image, or set CREDENTIALS_PER_IMAGE (the chart's credentials.perImage)."
  },
  AuthFileInvalid: {
    meaning: "The operator's own file of credentials cannot be read.",
    handling: "Retried",
    remedy: "Repair the file that the message names."
  },
  CredentialHelperFailed: {
    meaning: "A credential helper that a Docker configuration names failed.",
    handling: "Retried",
    remedy: "Run the helper by hand with the registry of the message."
  },
  CredentialSourceFailed: {
    meaning: "A source of credentials that a program adds to the operator failed.",
    handling: "Retried",
    remedy: "Read the source's own text in the message."
  },
  AwsIdentityUnavailable: {
    meaning:
      "The Image asks for the operator's AWS identity, but the operator has none or the registry is not one of AWS.",
    handling: "Retried",
    remedy: "Give the operator an identity (IRSA, EKS Pod Identity), or remove useAwsIRSA."
  },
  AwsIdentityFailed: {
    meaning: "AWS did not give a token for the operator's identity.",
    handling: "Retried",
    remedy: "Allow the identity ecr:GetAuthorizationToken. The message quotes AWS."
  }
} as const satisfies Record<string, Explanation>

/** The answer of a registry, or its absence. */
const REGISTRIES = {
  Unreachable: {
    meaning: "There was no connection to the registry, no TLS, or no answer in time.",
    handling: "Retried",
    remedy: "Check the name of the registry, DNS, proxies and network policies. REGISTRY_CA_FILE adds authorities."
  },
  AuthenticationFailed: {
    meaning: "The registry refused the credentials, or requires credentials and got none.",
    handling: "Retried",
    remedy: "Give the Image or the operator credentials that may read the source and write the destination."
  },
  CredentialsNotSent: {
    meaning:
      "The registry asks for the credentials by plain HTTP, or for a token server of another owner. They were not sent.",
    handling: "Retried",
    remedy:
      "Serve the registry by HTTPS. If the risk is accepted, add the line of the message to REGISTRY_PLAIN_HTTP or REGISTRY_TOKEN_SERVERS (the chart's config.registries)."
  },
  NotFound: {
    meaning: "The registry has no such repository, tag, manifest or blob.",
    handling: "Retried",
    remedy: "Check the names in the message."
  },
  SourceNotFound: {
    meaning: "The source has no such repository, tag or digest.",
    handling: "Retried",
    remedy:
      "Check spec.source.name and spec.source.version. Many registries answer in the same way if the credentials may not read."
  },
  DestinationNotFound: {
    meaning: "The destination has no such repository, or lost a part of the image during the copy.",
    handling: "Retried",
    remedy: "Check spec.destination.name, and whether the registry deletes content during uploads."
  },
  RateLimited: {
    meaning: "A rate limit of the registry holds requests back. The message says the time of the next request.",
    handling: "Retried",
    remedy: "Use credentials with a higher limit, a longer spec.frequency, or REGISTRY_LIMITS if the limit is known."
  },
  ServerError: {
    meaning: "The registry answered with a server error.",
    handling: "Retried",
    remedy: "No action is needed if the error passes. Otherwise ask the owner of the registry."
  },
  NotARegistry: {
    meaning: "The host answered with a page for people, such as that of a login or of a proxy.",
    handling: "Retried",
    remedy: "Check that the name is that of a registry, and that no proxy asks for a login before the registry."
  },
  InvalidAnswer: {
    meaning: "The answer is not one that a registry should give, or the registry referred to a forbidden address.",
    handling: "Retried",
    remedy: "Check the name of the registry, and the proxies in front of the registry. The message quotes the answer."
  },
  DigestMismatch: {
    meaning: "The received bytes do not have the expected digest.",
    handling: "Retried",
    remedy: "Check the caches and proxies in front of the registry."
  },
  UploadLost: {
    meaning: "The registry no longer knows an upload that it began.",
    handling: "Retried",
    remedy:
      "No action is needed if the error passes. Otherwise check that all replicas of the registry share their storage."
  },
  DestinationRepositoryMissing: {
    meaning: "The repository must exist before a push.",
    handling: "Retried",
    remedy: "Create the repository. The message says how."
  },
  QuotaExceeded: {
    meaning: "The registry has no room: a quota is used up, or the storage is full. The credentials are not the cause.",
    handling: "Retried",
    remedy: "Delete images in the registry, or raise the quota or the storage that the message names."
  },
  TagImmutable: {
    meaning: "The destination has another image under the tag, and does not let the tag be overwritten.",
    handling: "Retried",
    remedy:
      "Delete the tag at the destination, exempt the tag from the registry's rule, or permit the user to overwrite. A pattern in mode OneShot overwrites no tag."
  },
  BlockedByRegistry: {
    meaning:
      "A rule of the registry blocks the image or the operation, such as a rule about vulnerabilities or signatures, a lock, or a read-only mode. The credentials are not the cause.",
    handling: "Retried",
    remedy: "Ask the owner of the registry, or leave the tag out by spec.tags.exclude. The message quotes the registry."
  },
  PushRefused: {
    meaning: "The destination refused an upload.",
    handling: "Retried",
    remedy: "Read the registry's text in the message, such as an unsupported media type or a missing blob."
  },
  PlatformMissing: {
    meaning: "The image lacks a platform that spec.platforms asks for.",
    handling: "Retried",
    remedy: "Remove the platform. The message lists the platforms of the image."
  },
  UnsupportedManifest: {
    meaning:
      "The image has a manifest that cannot be copied as it is, such as Docker's schema 1, or an index of indexes by Skopeo.",
    handling: "Retried",
    remedy: "Push the image again with a newer client, or do what the message says."
  }
} as const satisfies Record<string, Explanation>

/** A copy failed, or waits for another copy. */
const COPIES = {
  DestinationClaimed: {
    meaning:
      "An older Image claims the tag at the destination, and asks for another image under the tag, or has another source for the signatures of the image.",
    handling: "Terminal",
    remedy:
      "Give one of the Images another destination, narrow the tags that one of them selects, or delete one. The Image goes on by itself when the older Image no longer claims the tag."
  },
  DestinationBusy: {
    meaning: "A copy for another Image writes the same tag.",
    handling: "Retried",
    remedy: "No action is needed if both copy the same image. Otherwise give one of the Images another destination."
  },
  CopyFailed: {
    meaning: "The copy failed for a reason without its own name.",
    handling: "Retried",
    remedy: "Read the error of the copy in the message."
  },
  VerificationFailed: {
    meaning: "A Job succeeded, but the destination does not have the expected digest.",
    handling: "Retried",
    remedy: "Check whether another writer writes the tag, or the registry changes manifests."
  },
  DeadlineExceeded: {
    meaning: "A copy exceeded its deadline.",
    handling: "Retried",
    remedy:
      "Check the speed of both registries, or raise the deadline: of Jobs, deadlineSeconds in JOB_TEMPLATE (the chart's config.jobs); of COPY_ENGINE=direct, COPY_DEADLINE_SECONDS (the chart's config.copies.deadlineSeconds). The next attempt sends only the blobs that have not arrived."
  },
  JobNotCreated: {
    meaning: "The API server refused the Job of a copy.",
    handling: "Retried",
    remedy: "Read the refusal in the message: a quota, an admission policy, or a missing permission of the operator."
  },
  SecretNotCreated: {
    meaning: "The API server refused the Secret with a Job's credentials. The Job waits for the Secret.",
    handling: "Retried",
    remedy: "Change what refuses the Secret: a quota, an admission policy, or a missing permission of the operator."
  },
  JobsForbidden: {
    meaning: "The operator may not list or watch the Jobs of copies, or their pods, and so starts none.",
    handling: "Retried",
    remedy:
      "Give the operator's Role in the namespace of the Jobs the verbs list and watch for jobs and pods, as the chart does."
  },
  JobSuspended: {
    meaning: "The Job of a copy is suspended. The operator suspends none.",
    handling: "Retried",
    remedy: "Resume the Job in whatever manages Jobs here, such as a queue that has no room for it."
  },
  PodNotCreated: {
    meaning: "The Job of a copy has no pod: the API server refuses the pod.",
    handling: "Retried",
    remedy:
      "Change what refuses the pod, or set resources (for quotas and limit ranges), labels and annotations (for policies) in JOB_TEMPLATE (the chart's config.jobs)."
  },
  PodUnschedulable: {
    meaning: "No node takes the pod of a Job.",
    handling: "Retried",
    remedy:
      "Add a node that fits, or set tolerations, nodeSelector, affinity or resources in JOB_TEMPLATE (the chart's config.jobs)."
  },
  PodImageNotPulled: {
    meaning: "The node could not pull the image of a Job's pod.",
    handling: "Retried",
    remedy:
      "Correct SKOPEO_IMAGE and SKOPEO_VERSION (the chart's config.skopeo), or name a Secret to pull with in imagePullSecrets of JOB_TEMPLATE (the chart's config.jobs)."
  },
  PodNotStarted: {
    meaning: "A Job's pod was placed on a node and did not start.",
    handling: "Retried",
    remedy: "Correct what the kubelet's text names. The events of the pod may say more."
  },
  PodEvicted: {
    meaning: "A node evicted a Job's pod.",
    handling: "Retried",
    remedy:
      "No action is needed if the node lacked memory or disk. If the pod used more disk than its limit, raise workSizeLimit in JOB_TEMPLATE (the chart's config.jobs)."
  },
  OOMKilled: {
    meaning: "Skopeo needed more memory than the limit of its container, and was killed.",
    handling: "Retried",
    remedy: "Raise resources.limits.memory in JOB_TEMPLATE (the chart's config.jobs)."
  }
} as const satisfies Record<string, Explanation>

/** Warnings to an Image's users. The Image works nevertheless. */
const WARNINGS = {
  CredentialsNotBound: {
    meaning: "The operator used credentials that are sent to every registry that an Image names.",
    handling: "Informational",
    remedy: "Name their registries in CREDS_SOURCE_REGISTRIES and CREDS_DESTINATION_REGISTRIES."
  },
  NotVerified: {
    meaning:
      "The operator's credentials were not used, because only the Image disables the verification of the registry.",
    handling: "Informational",
    remedy: "Give the Image its own Secret, or trust the registry's authority (REGISTRY_CA_FILE)."
  },
  NotGranted: {
    meaning:
      "The operator's credentials were not used, because the operator's policy does not grant them to the Image.",
    handling: "Informational",
    remedy:
      "Give the Image its own Secret, or ask the administrator of the operator to change the rule that the message names."
  },
  RegistryNotice: {
    meaning: "The registry sent a notice to its users (Warning: 299).",
    handling: "Informational",
    remedy: "Read the registry's text in the message."
  }
} as const satisfies Record<string, Explanation>

/** All reasons with their explanations. */
export const REASONS = { ...PROGRESS, ...SPEC, ...POLICY, ...CREDENTIALS, ...REGISTRIES, ...COPIES, ...WARNINGS }

/** The reasons by origin, with the headings of docs/troubleshooting.md. */
export const REASONS_BY_ORIGIN: ReadonlyArray<readonly [heading: string, Readonly<Record<string, Explanation>>]> = [
  ["Progress and selection of tags", PROGRESS],
  ["Mistakes in a spec", SPEC],
  ["The operator's policy", POLICY],
  ["Credentials", CREDENTIALS],
  ["Answers of registries", REGISTRIES],
  ["Copies and Jobs", COPIES],
  ["Warnings", WARNINGS]
]

/** The reason of a condition, of a failed copy or of a failed check. */
export type Reason = keyof typeof REASONS

/** The reasons for which a spec is refused. */
export type SpecReason = keyof typeof SPEC

/** The reasons for which a credential cannot be used. */
export type CredentialReason = keyof typeof CREDENTIALS

export const CREDENTIAL_REASONS: ReadonlyArray<CredentialReason> = Struct.keys(CREDENTIALS)

export const isReason = (text: string): text is Reason => Object.hasOwn(REASONS, text)
