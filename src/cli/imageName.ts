/** How commands without a cluster name Images. */

/** The namespace of an Image without one, as in kubectl. */
export const DEFAULT_NAMESPACE = "default"

const PREFIX = `${DEFAULT_NAMESPACE}/`

/** `namespace/name`, or only the name in the default namespace: without a cluster most Images have no namespace. */
export const shownName = (key: string): string => (key.startsWith(PREFIX) ? key.slice(PREFIX.length) : key)
