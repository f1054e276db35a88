/** The text of an Image between registries without TLS. `rest` has further lines of the spec, indented by two spaces. */
export const manifest = (name: string, source: string, version: string, destination: string, rest = ""): string =>
  `apiVersion: skopeo.io/v1alpha1
kind: Image
metadata: { name: ${name} }
spec:
  source: { name: ${source}, version: "${version}", tlsVerify: false }
  destination: { name: ${destination}, tlsVerify: false }
${rest}`
