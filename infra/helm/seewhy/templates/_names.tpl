{{/* The prefix of all names. Kubernetes allows 63 characters; the longest suffix has 36. */}}
{{- define "seewhy.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{ .Release.Name | trunc 27 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 27 | trimSuffix "-" }}
{{- end -}}
{{- end -}}

{{/* The labels by which a component's pods are found. Takes root, component and, of a worker, pool. */}}
{{- define "seewhy.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- with .pool }}
seewhy-pool: {{ . }}
{{- end }}
{{- end -}}

{{- define "seewhy.labels" -}}
{{ include "seewhy.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{/* The reference of an image. Takes root and image, a part of `images`. */}}
{{- define "seewhy.image" -}}
{{- if .image.digest -}}
{{ .image.repository }}@{{ .image.digest }}
{{- else -}}
{{ .image.repository }}:{{ .image.tag | default .root.Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* The values of a pool, merged over the defaults and checked. Takes root and pool. */}}
{{- define "seewhy.pool" -}}
{{- $pool := mustMergeOverwrite (deepCopy .root.Values.workerDefaults) (deepCopy (index .root.Values.workerPools .pool)) -}}
{{- $path := printf "workerPools.%s" .pool -}}
{{- $scaling := $pool.autoscaling -}}
{{- if gt (int $scaling.minReplicas) (int $scaling.maxReplicas) -}}
{{- fail (printf "%s.autoscaling: minReplicas is above maxReplicas" $path) -}}
{{- end -}}
{{- if gt (int $scaling.fallback.replicas) (int $scaling.maxReplicas) -}}
{{- fail (printf "%s.autoscaling: fallback.replicas is above maxReplicas" $path) -}}
{{- end -}}
{{- if and $scaling.enabled (not .root.Values.monitoring.prometheusAddress) -}}
{{- fail (printf "%s.autoscaling needs monitoring.prometheusAddress" $path) -}}
{{- end -}}
{{- if and (eq $pool.gpu.mode "mig") (not $pool.gpu.migProfile) -}}
{{- fail (printf "%s.gpu: the mode mig needs a migProfile, such as 1g.10gb" $path) -}}
{{- end -}}
{{- if not (concat $pool.models $pool.demandModels) -}}
{{- $_ := set $pool "models" (list .root.Values.models.default) -}}
{{- end -}}
{{ toJson $pool }}
{{- end -}}

{{/* PromQL: the backlog of a pool's lanes. Jobs in quarantine have no estimated passes, so any job
     that is ready counts as one more. Every API process exposes the same values. Takes pool. */}}
{{- define "seewhy.backlogQuery" -}}
{{- $lanes := printf "{lane=~\"(%s):.+\"}" (join "|" (concat .models .demandModels)) -}}
sum(max by (lane) ({{ .autoscaling.backlogMetric }}{{ $lanes }})) + (sum(max by (lane) (seewhy_jobs_ready{{ $lanes }})) > bool 0)
{{- end -}}

{{/* Not empty when something may be delivered: webhooks, or results for Label Studio. */}}
{{- define "seewhy.needsDispatcher" -}}
{{- if or .Values.webhooks.existingSecret .Values.labelStudio.url }}yes{{ end -}}
{{- end -}}

{{/* The components with pods of their own, as a JSON list. */}}
{{- define "seewhy.components" -}}
{{- $components := list "api" "worker" -}}
{{- if include "seewhy.needsDispatcher" . -}}
{{- $components = append $components "dispatcher" -}}
{{- end -}}
{{ toJson $components }}
{{- end -}}
