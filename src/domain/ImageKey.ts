/** The name of an Image in the cluster. An Image that is deleted and made anew has the same. */
export interface ImageKey {
  readonly namespace: string
  readonly name: string
}

/**
 * `namespace/name`, as messages and log lines name an Image too. {@link parse} reads it back. A joined text does not keep
 * its pieces in memory.
 */
export const keyOf = ({ name, namespace }: ImageKey): string => [namespace, name].join("/")

/** A namespace has no slash. */
export const parse = (key: string): ImageKey => {
  const slash = key.indexOf("/")
  return { namespace: key.slice(0, slash), name: key.slice(slash + 1) }
}

/** The namespace of an Image that names none, as in kubectl. */
export const DEFAULT_NAMESPACE = "default"
