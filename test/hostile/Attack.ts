/**
 * An attack: a hostile registry or hostile objects, with the Images that a tenant writes for them. Each file of `servers/` has
 * one attack, and the suite finds the files by itself.
 */
import type { Effect, Scope } from "effect"
import type { KubeClient, KubeError } from "../../src/kube/KubeClient.ts"
import type { KeyedCertificate } from "../../src/registry/memory/LoopbackServer.ts"

/** Where an attack takes place. */
export interface Stage {
  /** The address on which hostile servers listen, and by which the operator reaches them. */
  readonly address: string
  /** An honest registry over plain HTTP, for the destinations of Images. */
  readonly destination: string
  /** The certificate of {@link address}. The operator trusts its authority. */
  readonly certificate: KeyedCertificate
}

/** The conditions in which an Image is in the end. */
export interface Ending {
  /** The reason of the condition Ready. */
  readonly reasons: ReadonlyArray<string>
  /** A part of the message. */
  readonly says?: RegExp
}

/** An Image of the attacker's namespace. */
export interface HostileImage {
  readonly name: string
  readonly spec: object
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  /** How the Image ends. Default: the attack lasts as long as the attacker wants, and only others have to be served. */
  readonly ends?: Ending
}

/** A Secret of the attacker's namespace, with a login for one registry. */
export interface HostileSecret {
  readonly name: string
  readonly registry: string
  readonly username: string
  readonly password: string
}

/** An attack that is ready. */
export interface Staged {
  readonly images: ReadonlyArray<HostileImage>
  readonly secrets?: ReadonlyArray<HostileSecret>
  /** Ends when the attack has begun to work. Default: at once. */
  readonly begun?: Effect.Effect<void>
  /** What the attacker does with its objects before the honest Image comes. Default: nothing. */
  readonly strike?: (kube: KubeClient["Service"], namespace: string) => Effect.Effect<void, KubeError, Scope.Scope>
  /** Texts that must stand in no condition, log or metric. */
  readonly unspeakable?: ReadonlyArray<string>
  /** What the attacker has got, in words. Empty if the operator held. */
  readonly gains?: () => ReadonlyArray<string>
}

export interface Attack {
  /** What an attacker gains where nothing defends. */
  readonly gain: string
  /**
   * Whether the attack needs names with addresses of the attacker's choice. Only a process of this machine can be made to
   * believe such names.
   */
  readonly needsNames?: boolean
  /** Whether the operator starts anew when the objects exist, because a start is what the attack is about. */
  readonly atStart?: boolean
  readonly start: (stage: Stage) => Effect.Effect<Staged, never, Scope.Scope>
}

/** The seed of the honest image. Its bytes are known to attackers, as those of a public image are. */
export const HONEST_SEED = "honest"

/** The spec of an Image from a hostile registry. */
export const specOf = (
  { destination }: Stage,
  source: string,
  version: string,
  more: { readonly source?: object; readonly destination?: object } & Readonly<Record<string, unknown>> = {}
): object => {
  const { destination: toMore, source: fromMore, ...rest } = more
  return {
    source: { name: source, version, tlsVerify: false, ...fromMore },
    destination: {
      name: `${destination}/hostile/${source.slice(source.indexOf("/") + 1)}`,
      tlsVerify: false,
      ...toMore
    },
    ...rest
  }
}
