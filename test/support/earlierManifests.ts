/** The manifests of the earlier operator's README, word for word. */

const HEAD = "apiVersion: skopeo.io/v1alpha1\nkind: Image\n"
export const EARLIER_MANIFESTS: Readonly<Record<string, string>> = {
  "the recurrent task": `${HEAD}
metadata:
  name: nginx-alpine
spec:
  frequency: 15m
  mode: Recurrent # Or OneShot
  source:
    name: quay.io/nginx/nginx-ingress
    version: 3.7-alpine
  destination:
    name: tchoupinax/nginx/nginx-ingress
    version: 3.7-alpine
`,
  "tags matching a pattern": `${HEAD}
metadata:
  name: argocd-2-13-rc
spec:
  allowCandidateRelease: true
  mode: OneShot
  source:
    name: quay.io/argoproj/argocd
    version: v2.13.x
  destination:
    name: tchoupinax/argoproj/argocd
    version: v2.13.x
`,
  "the full options": `${HEAD}
metadata:
  name: name

spec:
  allowCandidateRelease: false # Activate if you want release which match *.*.*-rc[O-9]+
  mode: OneShot # or Reccurrent
  frequency: "1m" # or [O-9]+h (hour), [O-9]+d (day), [O-9]+w (week)
  source:
    name: source/argoproj/argocd
    version: v2.13.x
  destination:
    name: destination/argoproj/argocd
    version: v2.13.x
`
}
