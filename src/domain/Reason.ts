/**
 * Every reason that a condition of an Image can have: what has happened, what the operator does about it, and what a user
 * can do. The tables are grouped by where reasons come from; a reason stands in one of them.
 */
import { Struct } from "effect"

export interface Explanation {
  /** What has happened. */
  readonly meaning: string
  /**
   * What the operator does:
   * - `Informational`: nothing has failed
   * - `Retried`: it tries again by itself, at growing intervals
   * - `Terminal`: it waits until the Image, or its own configuration, changes
   */
  readonly handling: "Informational" | "Retried" | "Terminal"
  /** What a user can do. */
  readonly remedy: string
}

/** Where an Image stands. */
const PROGRESS = {
  Copied: {
    meaning: "The destination has every tag that the Image selects.",
    handling: "Informational",
    remedy: "Nothing is to be done."
  },
  Copying: {
    meaning: "Copies are under way, or wait for a free slot.",
    handling: "Informational",
    remedy: "Nothing is to be done. The condition Reconciling names the remaining tags."
  },
  ProgressingWithRetry: {
    meaning: "Something failed or waits for a rate limit, and is tried again.",
    handling: "Retried",
    remedy: "Read the reason and the message of the condition Ready."
  },
  NoTagMatches: {
    meaning: "The source has no tag that spec.source.version and spec.tags take.",
    handling: "Retried",
    remedy:
      "Compare the version with the nearest tags that the message names. The command skopeo-operator tags says of each tag why it is left."
  },
  TooFewTags: {
    meaning: "Fewer tags match than spec.tags.atLeast asks for, so that the list is taken for a registry's mistake.",
    handling: "Retried",
    remedy: "Lower spec.tags.atLeast if the list is right."
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
    meaning: "The name of a source or a destination is no repository name.",
    handling: "Terminal",
    remedy: "Write a repository by Docker's naming rules, without a tag and without a scheme."
  },
  InvalidPattern: {
    meaning: "spec.source.version is no tag, pattern, range or digest.",
    handling: "Terminal",
    remedy: "Write a tag such as 1.27, a pattern such as v2.13.x, a range such as ^2.13.0, or a digest."
  },
  InvalidFrequency: {
    meaning: "spec.frequency is no duration, or one that is too short or too long.",
    handling: "Terminal",
    remedy: "Write a duration of at least 10s, such as 15m, 1h30m or 1d12h."
  },
  InvalidDestinationVersion: {
    meaning: "spec.destination.version is no tag, or does not fit spec.source.version.",
    handling: "Terminal",
    remedy: "Leave it out for a pattern or a range, and name the tag to write for a digest."
  },
  InvalidExpression: {
    meaning: "An expression of spec.tags cannot be read, or would be too expensive to match.",
    handling: "Terminal",
    remedy: "Write a regular expression in the syntax of RE2, with smaller repeats."
  },
  InvalidPlatform: {
    meaning: "An entry of spec.platforms is no platform.",
    handling: "Terminal",
    remedy: "Write os/architecture, such as linux/amd64, or os/architecture/variant, such as linux/arm/v7."
  },
  PlatformsUnsupported: {
    meaning: "The copy engine cannot leave out platforms of an image.",
    handling: "Terminal",
    remedy: "Leave spec.platforms out, or use another copy engine (COPY_ENGINE, the chart's config.copyEngine)."
  }
} as const satisfies Record<string, Explanation>

/** Why a credential that was asked for cannot be used. No registry is asked without it. */
const CREDENTIALS = {
  SecretNotFound: {
    meaning: "The Secret that the Image names is not in the Image's namespace.",
    handling: "Retried",
    remedy: "Create the Secret in the namespace of the Image, or correct its name."
  },
  SecretUnreadable: {
    meaning: "The API server does not give the Secret to the operator.",
    handling: "Retried",
    remedy: "Let the operator's role get Secrets (the chart's credentials.perImage)."
  },
  SecretInvalid: {
    meaning: "The Secret is of a type, or has a content, that is no registry credential.",
    handling: "Retried",
    remedy: "Make a Secret of type kubernetes.io/dockerconfigjson or kubernetes.io/basic-auth."
  },
  SecretUnbound: {
    meaning: "The Secret has a user name and a password, and does not say which registry they are for.",
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
    remedy: "Leave the Secret out of the Image, or set CREDENTIALS_PER_IMAGE (the chart's credentials.perImage)."
  },
  AuthFileInvalid: {
    meaning: "The operator's own file of credentials cannot be read.",
    handling: "Retried",
    remedy: "Mend the file that the message names."
  },
  CredentialHelperFailed: {
    meaning: "A credential helper that a Docker configuration names failed.",
    handling: "Retried",
    remedy: "Run the helper by hand with the registry of the message."
  },
  AwsIdentityUnavailable: {
    meaning: "The Image asks for the operator's AWS identity, and there is none or the registry is not one of AWS.",
    handling: "Retried",
    remedy: "Give the operator an identity (IRSA, EKS Pod Identity), or leave useAwsIRSA out."
  },
  AwsIdentityFailed: {
    meaning: "AWS did not give a token for the operator's identity.",
    handling: "Retried",
    remedy: "Allow the identity ecr:GetAuthorizationToken. The message has the words of AWS."
  }
} as const satisfies Record<string, Explanation>

/** What a registry answered, or that it did not. */
const REGISTRIES = {
  Unreachable: {
    meaning: "There was no connection to the registry, no TLS, or no answer in time.",
    handling: "Retried",
    remedy: "Check the name of the registry, DNS, proxies and network policies. REGISTRY_CA_FILE adds authorities."
  },
  AuthenticationFailed: {
    meaning: "The registry refused the credentials, or wants some and was given none.",
    handling: "Retried",
    remedy: "Give the Image or the operator credentials that may read the source and write the destination."
  },
  NotFound: {
    meaning: "The registry has no such repository, tag, manifest or blob.",
    handling: "Retried",
    remedy: "Check the names in the message."
  },
  SourceNotFound: {
    meaning: "The source has no such repository, tag or digest.",
    handling: "Retried",
    remedy: "Check spec.source.name and spec.source.version. Many registries say the same to who may not read."
  },
  DestinationNotFound: {
    meaning: "The destination has no such repository, or lost a part of the image while it was copied.",
    handling: "Retried",
    remedy: "Check spec.destination.name, and whether the registry deletes while it is written to."
  },
  RateLimited: {
    meaning: "The registry limits how often it may be asked. The message says when it is asked next.",
    handling: "Retried",
    remedy: "Use credentials with a higher limit, a longer spec.frequency, or REGISTRY_LIMITS if the limit is known."
  },
  ServerError: {
    meaning: "The registry answered with an error of its own.",
    handling: "Retried",
    remedy: "Nothing is to be done if it passes. Otherwise ask the owner of the registry."
  },
  InvalidAnswer: {
    meaning: "The registry answered with something that is no answer of a registry, or led to an address it must not.",
    handling: "Retried",
    remedy: "Check that the name leads to a registry and not to a login page or a proxy. The message quotes the answer."
  },
  DigestMismatch: {
    meaning: "Bytes arrived that are not those of their digest.",
    handling: "Retried",
    remedy: "Check the caches and proxies in front of the registry."
  },
  UploadLost: {
    meaning: "The registry no longer knows an upload that it began.",
    handling: "Retried",
    remedy: "Nothing is to be done if it passes. Otherwise check that all replicas of the registry share their storage."
  },
  DestinationRepositoryMissing: {
    meaning: "The repository must exist before anything is pushed to it.",
    handling: "Retried",
    remedy: "Create the repository. The message says how."
  },
  PushRefused: {
    meaning: "The destination refused an upload.",
    handling: "Retried",
    remedy: "Read the registry's words in the message: a quota, an immutable tag, or a type that it does not take."
  },
  PlatformMissing: {
    meaning: "The image lacks a platform that spec.platforms asks for.",
    handling: "Retried",
    remedy: "Leave the platform out. The message lists those that are there."
  },
  UnsupportedManifest: {
    meaning: "The image has a manifest that cannot be copied as it is, such as Docker's schema 1.",
    handling: "Retried",
    remedy: "Push the image again with a newer client."
  }
} as const satisfies Record<string, Explanation>

/** Why a copy failed, or has to wait for another. */
const COPIES = {
  DestinationBusy: {
    meaning: "A copy for another Image writes the same tag.",
    handling: "Retried",
    remedy: "Nothing is to be done if both copy the same. Otherwise give one of the Images another destination."
  },
  CopyFailed: {
    meaning: "The copy failed for a reason that has no name of its own.",
    handling: "Retried",
    remedy: "Read the words of the copy in the message."
  },
  VerificationFailed: {
    meaning: "A Job succeeded, and the destination does not have the digest that it should have copied.",
    handling: "Retried",
    remedy: "Check whether something else writes the tag, or the registry changes manifests."
  },
  DeadlineExceeded: {
    meaning: "A Job did not end in time.",
    handling: "Retried",
    remedy:
      "Check the speed of both registries, or raise deadlineSeconds in JOB_TEMPLATE (the chart's config.jobs). COPY_ENGINE=direct has no deadline and goes on where a read broke off."
  },
  JobNotCreated: {
    meaning: "The API server refused the Job of a copy.",
    handling: "Retried",
    remedy: "Read the refusal in the message: a quota, an admission policy, or a missing permission of the operator."
  },
  SecretNotCreated: {
    meaning: "The API server refused the Secret that a Job's credentials are in. The Job waits for it.",
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
    meaning: "The node could not pull the image that a Job's pod runs.",
    handling: "Retried",
    remedy:
      "Correct SKOPEO_IMAGE and SKOPEO_VERSION (the chart's config.skopeo), or name a Secret to pull with in imagePullSecrets of JOB_TEMPLATE (the chart's config.jobs)."
  },
  PodNotStarted: {
    meaning: "A Job's pod was placed on a node and did not start.",
    handling: "Retried",
    remedy: "Mend what the kubelet names. The events of the pod may say more."
  },
  PodEvicted: {
    meaning: "A node evicted a Job's pod.",
    handling: "Retried",
    remedy:
      "Nothing is to be done if the node lacked memory or disk. If the pod used more disk than it may, raise workSizeLimit in JOB_TEMPLATE (the chart's config.jobs)."
  },
  OOMKilled: {
    meaning: "Skopeo needed more memory than its container may use, and was killed.",
    handling: "Retried",
    remedy: "Raise resources.limits.memory in JOB_TEMPLATE (the chart's config.jobs)."
  }
} as const satisfies Record<string, Explanation>

/** What an Image's users should know though it works. */
const WARNINGS = {
  CredentialsNotBound: {
    meaning: "Credentials of the operator were used that go to every registry that an Image names.",
    handling: "Informational",
    remedy: "Name their registries in CREDS_SOURCE_REGISTRIES and CREDS_DESTINATION_REGISTRIES."
  },
  NotVerified: {
    meaning: "Credentials of the operator were not used, because only the Image leaves the registry unverified.",
    handling: "Informational",
    remedy: "Give the Image a Secret of its own, or trust the registry's authority (REGISTRY_CA_FILE)."
  },
  CredentialsForwardedToThirdParty: {
    meaning: "The registry has a token server of another owner, and the credentials are sent there.",
    handling: "Informational",
    remedy: "Check that the server in the message is one that the registry's owner trusts."
  },
  RegistryNotice: {
    meaning: "The registry sent a notice to its users (Warning: 299).",
    handling: "Informational",
    remedy: "Read the registry's words in the message."
  }
} as const satisfies Record<string, Explanation>

/** Every reason with its explanation. */
export const REASONS = { ...PROGRESS, ...SPEC, ...CREDENTIALS, ...REGISTRIES, ...COPIES, ...WARNINGS }

/** The reason of a condition, of a failed copy or of a failed check. */
export type Reason = keyof typeof REASONS

/** Reasons for which a spec is refused. */
export type SpecReason = keyof typeof SPEC

/** Reasons for which a credential cannot be used. */
export type CredentialReason = keyof typeof CREDENTIALS

export const CREDENTIAL_REASONS: ReadonlyArray<CredentialReason> = Struct.keys(CREDENTIALS)

export const isReason = (text: string): text is Reason => Object.hasOwn(REASONS, text)
