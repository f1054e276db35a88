/** How commands without a cluster name Images. */
import { DEFAULT_NAMESPACE } from "../domain/ImageKey.ts"

const PREFIX = `${DEFAULT_NAMESPACE}/`

/** `namespace/name`, or only the name in the default namespace: without a cluster most Images have no namespace. */
export const shownName = (key: string): string => (key.startsWith(PREFIX) ? key.slice(PREFIX.length) : key)
