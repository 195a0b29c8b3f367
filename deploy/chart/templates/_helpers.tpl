{{/* Name of every object of the release; a release called pilotage is not pilotage-pilotage. */}}
{{- define "pilotage.name" -}}
{{- if contains "pilotage" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-pilotage" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "pilotage.account" -}}
{{ .Values.serviceAccount.name | default (include "pilotage.name" .) }}
{{- end }}

{{/* What the Deployment and the others select by: never changes in an upgrade. */}}
{{- define "pilotage.selector" -}}
app.kubernetes.io/name: pilotage
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "pilotage.labels" -}}
{{ include "pilotage.selector" . }}
app.kubernetes.io/component: operator
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | quote }}
{{- end }}

{{/* By digest; the schema lets a bare tag pass only where it was given. */}}
{{- define "pilotage.image" -}}
{{ .Values.image.repository }}{{ with .Values.image.tag }}:{{ . }}{{ end }}{{ with .Values.image.digest }}@{{ . }}{{ end }}
{{- end }}

{{/* Peers of an egress rule: the given addresses, or (no list at all) any. */}}
{{- define "pilotage.to" -}}
{{- with .cidrs }}
to:
  {{- range . }}
  - ipBlock: {cidr: {{ . | quote }}}
  {{- end }}
{{- end }}
ports:
  {{- range .ports }}
  - {protocol: TCP, port: {{ . }}}
  {{- end }}
{{- end }}
