/** The fields of Jobs that the simulated cluster and the oracles read. */
import type { Json, StoredObject } from "../../src/kube/ApiServerStore.ts"
import { Jobs } from "../../src/kube/Resources.ts"
import type { World } from "./World.ts"

/** The fields of a Job that the cluster reads. */
export interface JobBody {
  readonly metadata: {
    readonly name: string
    readonly uid: string
    readonly creationTimestamp: string
    readonly annotations?: Readonly<Record<string, string>>
  }
  readonly spec: {
    readonly ttlSecondsAfterFinished?: number
    readonly template: {
      readonly spec: {
        readonly initContainers?: ReadonlyArray<Container>
        readonly containers: ReadonlyArray<Container>
        readonly volumes?: ReadonlyArray<{ readonly secret?: { readonly secretName: string } }>
      }
    }
  }
  readonly status?: { readonly conditions?: ReadonlyArray<{ readonly type: string }> }
}

export interface Container {
  readonly name: string
  readonly args: ReadonlyArray<string>
}

export const bodyOf = (object: StoredObject): JobBody => object as Json & JobBody

const IMAGE = "skopeo.io/image"

export const isActive = ({ status }: JobBody): boolean => (status?.conditions ?? []).length === 0

/** The Image of a Job, as `namespace/name`. Empty if there is no such Job. */
export const imageOfJob = (world: World, job: string): string => {
  const slash = job.indexOf("/")
  const found = world.apiServer.get(Jobs, { namespace: job.slice(0, slash), name: job.slice(slash + 1) })
  return found === undefined ? "" : imageIn(bodyOf(found))
}

export const imageIn = ({ metadata }: JobBody): string => metadata.annotations?.[IMAGE] ?? ""

/** The destination of a Job: `registry/path:tag`. */
export const destinationIn = ({ metadata }: JobBody): string => metadata.annotations?.["skopeo.io/destination"] ?? ""

interface Place {
  readonly registry: string
  readonly path: string
  readonly reference: string
}

/** `docker://registry/path@digest`, or with a tag. */
export const placeOf = (text = ""): Place => {
  const [registry = "", ...rest] = text.replace("docker://", "").split("/")
  const last = rest.join("/")
  const at = last.includes("@") ? last.indexOf("@") : last.lastIndexOf(":")
  return { registry, path: last.slice(0, at), reference: last.slice(at + 1) }
}
