/** Parts of an address, as sockets want them. Pure. */

/** A host without the brackets that an address of IPv6 has in a URL. */
export const bare = (host: string): string => host.replaceAll(/^\[|\]$/gu, "")

/** The port, also where it goes without saying. */
export const portOf = (url: URL): string => url.port || (url.protocol === "https:" ? "443" : "80")
