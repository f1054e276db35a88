/** A DNS subdomain by RFC 1123, as Kubernetes requires of a name. */
const OBJECT_NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/u

/** Whether an object can have the name. Other texts could be the path of another API resource. */
export const isObjectName = (name: string): boolean => name.length <= 253 && OBJECT_NAME.test(name)
