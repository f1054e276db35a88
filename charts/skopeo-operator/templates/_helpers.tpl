{{- define "skopeo-operator.jobNamespace" -}}
{{ .Values.config.pullJobNamespace | default .Release.Namespace }}
{{- end }}

{{- /* "true" if copies are Jobs. With copyEngine direct the chart makes nothing for Jobs, and grants nothing for them. */ -}}
{{- define "skopeo-operator.hasJobs" -}}
{{ ne .Values.config.copyEngine "direct" }}
{{- end }}

{{- /* "true" if Jobs run in another namespace, in which another release may have its Jobs too. */ -}}
{{- define "skopeo-operator.jobsElsewhere" -}}
{{ ne (include "skopeo-operator.jobNamespace" .) .Release.Namespace }}
{{- end }}

{{- /* The name of objects in the namespace of Jobs. A namespace has no dot. */ -}}
{{- define "skopeo-operator.jobsName" -}}
skopeo-operator-jobs{{ if eq (include "skopeo-operator.jobsElsewhere" .) "true" }}.{{ .Release.Name }}.{{ .Release.Namespace }}{{ end }}
{{- end }}

{{- /* The service account of Jobs, which is not the operator's. */ -}}
{{- define "skopeo-operator.jobServiceAccount" -}}
{{ .Values.config.jobs.serviceAccountName | default (include "skopeo-operator.jobsName" .) }}
{{- end }}

{{- /* The operator's service account. */ -}}
{{- define "skopeo-operator.serviceAccount" -}}
{{- if and (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) }}
{{- fail "serviceAccount.create: false, but serviceAccount.name is empty; name the service account, which gets the operator's permissions" }}
{{- end }}
{{- .Values.serviceAccount.name | default "skopeo-operator" }}
{{- end }}

{{- /* The label of this release's Jobs. Two releases of one name have two names in a namespace that both use for Jobs. */ -}}
{{- define "skopeo-operator.instance" -}}
{{- $name := .Release.Name }}
{{- if eq (include "skopeo-operator.jobsElsewhere" .) "true" }}
{{- $name = printf "%s.%s" .Release.Name .Release.Namespace }}
{{- end }}
{{- if gt (len $name) 63 }}
{{- $name = printf "%s-%s" (trunc 46 $name) (sha256sum $name | trunc 16) }}
{{- end }}
{{- .Values.instanceName | default $name }}
{{- end }}

{{- define "skopeo-operator.skopeoImage" -}}
{{ .Values.config.skopeo.image }}:{{ .Values.config.skopeo.version }}
{{- end }}

{{- define "skopeo-operator.secretName" -}}
{{ .Values.config.credentials.secretName | default "skopeo-operator" }}
{{- end }}

{{- define "skopeo-operator.hasSecret" -}}
{{ or .Values.config.credentials.createSecret (not (empty .Values.config.credentials.secretName)) }}
{{- end }}

{{- define "skopeo-operator.lease" -}}
{{ .Release.Name }}.skopeo.io
{{- end }}

{{- /* Unique in the cluster. Otherwise a second release with --take-ownership would take this release's permissions. Roles outside of the release's namespace have this name too. */ -}}
{{- define "skopeo-operator.clusterRole" -}}
skopeo-operator:{{ .Release.Namespace }}:{{ .Release.Name }}
{{- end }}

{{- /* The names of admission policies, which are unique in the cluster too. A namespace has no dot. */ -}}
{{- define "skopeo-operator.admission" -}}
{{ .Release.Name }}.{{ .Release.Namespace }}.skopeo.io
{{- end }}

{{- define "skopeo-operator.labels" -}}
{{ include "skopeo-operator.labelsWith" (dict "root" . "labels" dict) }}
{{- end }}

{{- /* The labels of all objects, and further ones, which win. Input: root, labels. */ -}}
{{- define "skopeo-operator.labelsWith" -}}
{{- include "skopeo-operator.checkLabels" (dict "field" "commonLabels" "labels" .root.Values.commonLabels) }}
{{- $labels := dict "kubernetes.io/name" "skopeo-operator" "app.kubernetes.io/name" "skopeo-operator" "app.kubernetes.io/instance" .root.Release.Name "app.kubernetes.io/version" .root.Chart.AppVersion "app.kubernetes.io/managed-by" .root.Release.Service }}
{{- toYaml (mergeOverwrite $labels (.root.Values.commonLabels | default dict) (.labels | default dict)) }}
{{- end }}

{{- /* Refuses labels that replace the chart's own. Input: field, labels. */ -}}
{{- define "skopeo-operator.checkLabels" -}}
{{- $field := .field }}
{{- range $key, $_ := .labels }}
{{- if has $key (list "kubernetes.io/name" "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/version" "app.kubernetes.io/managed-by") }}
{{- fail (printf "%s: the chart sets the label %s itself, and selects its pods by such labels; remove it" $field $key) }}
{{- end }}
{{- end }}
{{- end }}

{{- /* The permissions for Images, in each followed namespace or in the cluster. */ -}}
{{- define "skopeo-operator.imageRules" -}}
- apiGroups: [skopeo.io]
  resources: [images]
  verbs: [get, list, watch]
- apiGroups: [skopeo.io]
  resources: [images/status]
  verbs: [patch]
# What has changed of an Image, in its namespace. An apply of a new Event is a create too.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- if .Values.credentials.perImage }}
# The operator reads only the Secrets that Images name in spec.source and spec.destination, and cannot list Secrets.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get]
{{- end }}
{{- end }}

{{- /* Refuses a variable that the chart sets: the API server accepts no variable twice by server-side apply. */ -}}
{{- define "skopeo-operator.checkExtraEnv" -}}
{{- $names := list }}
{{- $extra := list }}
{{- range include "skopeo-operator.environment" . | fromYamlArray }}
{{- $names = append $names .name }}
{{- end }}
{{- range $index, $variable := .Values.extraEnv }}
{{- if has $variable.name $names }}
{{- fail (printf "extraEnv[%d].name: the chart sets the variable %s itself; docs/configuration.md has the value of the chart for each variable" $index $variable.name) }}
{{- end }}
{{- if has $variable.name $extra }}
{{- fail (printf "extraEnv[%d].name: %s is there twice; remove one of the two" $index $variable.name) }}
{{- end }}
{{- $extra = append $extra $variable.name }}
{{- end }}
{{- end }}

{{- /* Another installed release that has the CRD, as NAMESPACE/RELEASE. Empty if this release makes the CRD: it has the CRD, or no installed release has. With crd.create: false nothing is looked up, which needs a permission. */ -}}
{{- define "skopeo-operator.crdOwner" -}}
{{- if .Values.crd.create }}
{{- $crd := lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" "images.skopeo.io" }}
{{- $release := dig "metadata" "annotations" "meta.helm.sh/release-name" "" $crd }}
{{- $namespace := dig "metadata" "annotations" "meta.helm.sh/release-namespace" "" $crd }}
{{- if and $release $namespace (not (and (eq $release .Release.Name) (eq $namespace .Release.Namespace))) }}
{{- $deployment := lookup "apps/v1" "Deployment" $namespace "skopeo-operator" }}
{{- if eq $release (dig "metadata" "annotations" "meta.helm.sh/release-name" "" $deployment) }}
{{- printf "%s/%s" $namespace $release }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "skopeo-operator.createsCrd" -}}
{{- and .Values.crd.create (empty (include "skopeo-operator.crdOwner" .)) }}
{{- end }}
