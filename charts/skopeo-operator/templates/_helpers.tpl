{{- define "skopeo-operator.jobNamespace" -}}
{{ .Values.config.pullJobNamespace | default .Release.Namespace }}
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

{{- define "skopeo-operator.labels" -}}
kubernetes.io/name: skopeo-operator
app.kubernetes.io/name: skopeo-operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}
