{{- define "skopeo-operator.jobNamespace" -}}
{{ .Values.config.pullJobNamespace | default .Release.Namespace }}
{{- end }}

{{- /* "true" if copies are Jobs. With copyEngine direct the chart makes nothing for Jobs, and grants nothing for them. */ -}}
{{- define "skopeo-operator.hasJobs" -}}
{{ ne .Values.config.copyEngine "direct" }}
{{- end }}

{{- /* The service account of Jobs, which is not the operator's. */ -}}
{{- define "skopeo-operator.jobServiceAccount" -}}
{{ .Values.config.jobs.serviceAccountName | default "skopeo-operator-jobs" }}
{{- end }}

{{- define "skopeo-operator.skopeoImage" -}}
{{ .Values.config.skopeo.image }}:{{ .Values.config.skopeo.version }}
{{- end }}

{{- define "skopeo-operator.secretName" -}}
{{ .Values.config.credentials.secretName | default "skopeo-operator" }}
{{- end }}

{{- define "skopeo-operator.hasSecret" -}}
{{ or .Values.config.credentials.createSecret .Values.config.credentials.secretName }}
{{- end }}

{{- define "skopeo-operator.lease" -}}
{{ .Release.Name }}.skopeo.io
{{- end }}

{{- /* Unique in the cluster. Otherwise a second release with --take-ownership would take this release's permissions. */ -}}
{{- define "skopeo-operator.clusterRole" -}}
skopeo-operator:{{ .Release.Namespace }}:{{ .Release.Name }}
{{- end }}

{{- /* The names of admission policies, which are unique in the cluster too. A namespace has no dot. */ -}}
{{- define "skopeo-operator.admission" -}}
{{ .Release.Name }}.{{ .Release.Namespace }}.skopeo.io
{{- end }}

{{- define "skopeo-operator.labels" -}}
kubernetes.io/name: skopeo-operator
app.kubernetes.io/name: skopeo-operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
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
