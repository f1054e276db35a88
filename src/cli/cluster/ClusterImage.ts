/** An Image of a cluster with all its fields, for output. */
import { Schema, Struct } from "effect"
import { API_VERSION, GROUP, KIND } from "../../domain/Image.ts"
import { metadataFields, type Resource, typeFields } from "../../kube/Resource.ts"
import { Images } from "../../kube/Resources.ts"

const WholeImage = Schema.Struct({
  ...typeFields,
  metadata: Schema.StructWithRest(Schema.Struct(metadataFields), [Schema.Record(Schema.String, Schema.Unknown)]),
  spec: Schema.optionalKey(Schema.Unknown),
  status: Schema.optionalKey(Schema.Unknown)
})
export type ClusterImage = typeof WholeImage.Type

/** The resource of Images with all metadata. The operator's own resource has less, because the operator holds all Images. */
export const ClusterImages: Resource<ClusterImage> = { ...Images, schema: WholeImage }

/** The name of an Image as `kubectl -o name` prints it, which the commands accept. */
export const nameOf = ({ metadata }: Pick<ClusterImage, "metadata">): string =>
  `${KIND.toLowerCase()}.${GROUP}/${metadata.name}`

/** The name of an Image in a message. The namespace is named if a command works on several. */
export const labelOf = (image: Pick<ClusterImage, "metadata">, isInAllNamespaces: boolean): string =>
  isInAllNamespaces ? `${nameOf(image)} (namespace ${image.metadata.namespace ?? ""})` : nameOf(image)

/** The object for `-o json` and `-o yaml`. As in kubectl it has no list of field managers. */
export const documentOf = ({ metadata, spec, status }: ClusterImage) => ({
  apiVersion: API_VERSION,
  kind: KIND,
  metadata: Struct.omit(metadata, ["managedFields"]),
  spec,
  ...(status === undefined ? {} : { status })
})
