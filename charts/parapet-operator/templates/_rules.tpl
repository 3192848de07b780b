{{/* The rights of the operator, by what is enabled. crates/operator/src/rights.rs has the same list; a test compares. */}}

{{/* Where applications are. */}}
{{- define "parapet-operator.applicationRules" -}}
- apiGroups: [""]
  resources: [pods]
  verbs: [create, delete, get, list, patch, update, watch]
- apiGroups: [""]
  resources: [configmaps, secrets, services]
  verbs: [create, delete, get, list, patch, update, watch]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [delete, get, list, patch, update, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
- apiGroups: [apps]
  resources: [deployments, statefulsets]
  verbs: [create, delete, get, list, patch, update, watch]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [create, delete, get, list, patch, update, watch]
- apiGroups: [elasticsearch.k8s.elastic.co]
  resources: [elasticsearches]
  verbs: [get, list, patch, update, watch]
- apiGroups: [kibana.k8s.elastic.co]
  resources: [kibanas]
  verbs: [get, list, patch, update, watch]
- apiGroups: [apm.k8s.elastic.co]
  resources: [apmservers]
  verbs: [get, list, patch, update, watch]
- apiGroups: [elasticsearch.k8s.elastic.co]
  resources: [elasticsearches/finalizers, elasticsearches/status]
  verbs: [patch, update]
- apiGroups: [kibana.k8s.elastic.co]
  resources: [kibanas/finalizers, kibanas/status]
  verbs: [patch, update]
- apiGroups: [apm.k8s.elastic.co]
  resources: [apmservers/finalizers, apmservers/status]
  verbs: [patch, update]
{{- if ne .Values.config.networkPolicies "off" }}
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [create, delete, get, list, patch, update, watch]
{{- end }}
{{- end }}

{{/* What has no namespace. */}}
{{- define "parapet-operator.clusterRules" -}}
{{- if .Values.config.validateStorageClass }}
- apiGroups: [storage.k8s.io]
  resources: [storageclasses]
  verbs: [get, list, watch]
{{- end }}
{{- if .Values.config.exposedNodeLabels }}
- apiGroups: [""]
  resources: [nodes]
  verbs: [get, list, watch]
{{- end }}
{{- if .Values.managedNamespaceSelector }}
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get, list, watch]
{{- else if .Values.config.meshChecks }}
- apiGroups: [""]
  resources: [namespaces]
  verbs: [list]
{{- end }}
{{- if .Values.config.meshChecks }}
- apiGroups: [networking.istio.io]
  resources: [destinationrules]
  verbs: [list]
- apiGroups: [security.istio.io]
  resources: [peerauthentications]
  verbs: [list]
- apiGroups: [admissionregistration.k8s.io]
  resources: [mutatingwebhookconfigurations]
  verbs: [list]
- apiGroups: [""]
  resources: [configmaps]
  resourceNames: [istio, istio-sidecar-injector]
  verbs: [get]
- apiGroups: [apps]
  resources: [daemonsets]
  resourceNames: [istio-cni-node]
  verbs: [get]
{{- end }}
{{- if and .Values.webhook.enabled .Values.webhook.manageCerts }}
- apiGroups: [admissionregistration.k8s.io]
  resources: [validatingwebhookconfigurations]
  resourceNames: [{{ include "parapet-operator.webhookConfiguration" . }}]
  verbs: [get, update]
{{- end }}
{{- if include "parapet-operator.metricsSecure" . }}
- apiGroups: [authentication.k8s.io]
  resources: [tokenreviews]
  verbs: [create]
{{- end }}
{{- if or (include "parapet-operator.metricsSecure" .) .Values.refs.enforceRBAC }}
- apiGroups: [authorization.k8s.io]
  resources: [subjectaccessreviews]
  verbs: [create]
{{- end }}
{{- end }}

{{/* In the operator's own namespace. */}}
{{- define "parapet-operator.ownRules" -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [elastic-operator-leader]
  verbs: [get, update]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [create]
- apiGroups: [""]
  resources: [configmaps]
  resourceNames: [elastic-licensing, elastic-operator-uuid]
  verbs: [get, update]
{{- if .Values.config.meshChecks }}
- apiGroups: [""]
  resources: [pods]
  verbs: [list]
{{- end }}
{{- if and .Values.webhook.enabled .Values.webhook.manageCerts }}
- apiGroups: [""]
  resources: [secrets]
  resourceNames: [{{ include "parapet-operator.webhookSecret" . }}]
  verbs: [get, update]
{{- end }}
{{- end }}
