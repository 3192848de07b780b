{{- define "parapet-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "parapet-operator.fullname" -}}
{{- default (include "parapet-operator.name" .) .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "parapet-operator.selectorLabels" -}}
control-plane: {{ include "parapet-operator.fullname" . }}
{{- end }}

{{- define "parapet-operator.labels" -}}
{{ include "parapet-operator.selectorLabels" . }}
app.kubernetes.io/name: {{ include "parapet-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "parapet-operator.serviceAccountName" -}}
{{- default (include "parapet-operator.fullname" .) .Values.serviceAccount.name }}
{{- end }}

{{- define "parapet-operator.image" -}}
{{- $repository := printf "%s%s" .Values.image.repository (ternary "-fips" "" .Values.image.fips) -}}
{{- if .Values.image.digest -}}
{{ printf "%s@%s" $repository .Values.image.digest }}
{{- else -}}
{{ printf "%s:%s" $repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end -}}
{{- end }}

{{/* The names of the webhook's objects hold for one operator in a cluster; others take their own. */}}
{{- define "parapet-operator.webhookConfiguration" -}}
{{- if eq (include "parapet-operator.fullname" .) "elastic-operator" -}}
elastic-webhook.k8s.elastic.co
{{- else -}}
{{ printf "%s.%s.k8s.elastic.co" (include "parapet-operator.fullname" .) .Release.Namespace }}
{{- end -}}
{{- end }}

{{- define "parapet-operator.webhookService" -}}
{{- if eq (include "parapet-operator.fullname" .) "elastic-operator" -}}
elastic-webhook-server
{{- else -}}
{{ include "parapet-operator.fullname" . }}-webhook
{{- end -}}
{{- end }}

{{- define "parapet-operator.webhookSecret" -}}
{{- if .Values.webhook.certsSecret -}}
{{ .Values.webhook.certsSecret }}
{{- else if eq (include "parapet-operator.fullname" .) "elastic-operator" -}}
elastic-webhook-server-cert
{{- else -}}
{{ include "parapet-operator.fullname" . }}-webhook-cert
{{- end -}}
{{- end }}

{{/* "0": off. */}}
{{- define "parapet-operator.metricsPort" -}}
{{- if and .Values.config.metricsPort (eq (toString .Values.config.metrics.port) "0") -}}
{{ .Values.config.metricsPort }}
{{- else -}}
{{ .Values.config.metrics.port }}
{{- end -}}
{{- end }}

{{- define "parapet-operator.metricsSecure" -}}
{{- if and .Values.config.metrics.secureMode.enabled (ne (include "parapet-operator.metricsPort" .) "0") }}true{{ end -}}
{{- end }}

{{/* Values that contradict each other. */}}
{{- define "parapet-operator.check" -}}
{{- if not .Values.createClusterScopedResources }}
{{- if not .Values.managedNamespaces }}
{{- fail "createClusterScopedResources is false: name the namespaces in managedNamespaces" }}
{{- end }}
{{- if .Values.webhook.enabled }}
{{- fail "createClusterScopedResources is false: webhook.enabled must be false, its configuration has no namespace" }}
{{- end }}
{{- if .Values.config.validateStorageClass }}
{{- fail "createClusterScopedResources is false: config.validateStorageClass must be false, storage classes have no namespace" }}
{{- end }}
{{- if .Values.config.exposedNodeLabels }}
{{- fail "createClusterScopedResources is false: config.exposedNodeLabels must be [], nodes have no namespace" }}
{{- end }}
{{- if .Values.config.meshChecks }}
{{- fail "createClusterScopedResources is false: config.meshChecks must be false, namespaces have no namespace" }}
{{- end }}
{{- if .Values.config.metrics.secureMode.enabled }}
{{- fail "createClusterScopedResources is false: config.metrics.secureMode.enabled must be false, reviews of tokens have no namespace" }}
{{- end }}
{{- if .Values.refs.enforceRBAC }}
{{- fail "createClusterScopedResources is false: refs.enforceRBAC must be false, reviews of rights have no namespace" }}
{{- end }}
{{- if .Values.installCRDs }}
{{- fail "createClusterScopedResources is false: installCRDs must be false, definitions have no namespace; install them once for the cluster" }}
{{- end }}
{{- end }}
{{- if and .Values.managedNamespaces .Values.managedNamespaceSelector }}
{{- fail "managedNamespaces and managedNamespaceSelector exclude each other" }}
{{- end }}
{{- if and .Values.config.metrics.secureMode.enabled (eq (include "parapet-operator.metricsPort" .) "0") }}
{{- fail "config.metrics.secureMode.enabled needs a port: set config.metrics.port, such as 8080" }}
{{- end }}
{{- if and (ne (include "parapet-operator.metricsPort" .) "0") (eq (include "parapet-operator.metricsPort" .) (toString .Values.probes.port)) }}
{{- fail "config.metrics.port and probes.port must differ" }}
{{- end }}
{{- if and .Values.softMultiTenancy.enabled (not .Values.kubeAPIServerIP) }}
{{- fail "softMultiTenancy.enabled needs kubeAPIServerIP: `kubectl get endpoints kubernetes` shows it" }}
{{- end }}
{{- if and .Values.config.ubiOnly .Values.config.containerSuffix }}
{{- fail "config.ubiOnly and config.containerSuffix exclude each other" }}
{{- end }}
{{- end }}
