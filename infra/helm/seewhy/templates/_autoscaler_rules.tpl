{{/* Alerts about KEDA: does it see the backlog that the ledger has, and do the workers arrive? */}}
{{- define "seewhy.autoscalerRules" -}}
{{- $scaled := dict -}}
{{- range $pool, $_ := .Values.workerPools -}}
{{- $config := include "seewhy.pool" (dict "root" $ "pool" $pool) | fromJson -}}
{{- if $config.autoscaling.enabled -}}
{{- $_ := set $scaled $pool $config -}}
{{- end -}}
{{- end -}}
{{- if $scaled }}
- name: seewhy-autoscaler
  rules:
    {{- range $pool, $config := $scaled }}
    {{- $name := printf "%s-worker-%s" (include "seewhy.fullname" $) $pool }}
    {{- $object := printf "{namespace=%q,scaledObject=%q}" $.Release.Namespace $name }}
    {{- $exported := printf "{exported_namespace=%q,scaledObject=%q}" $.Release.Namespace $name }}
    {{- $seen := printf "max(keda_scaler_metrics_value%s or keda_scaler_metrics_value%s)" $object $exported }}
    {{- $backlog := include "seewhy.backlogQuery" $config }}
    {{- $target := $config.autoscaling.backlogPerReplica | int64 }}
    - alert: SeewhyAutoscalerMismatch
      expr: |-
        abs(avg_over_time(({{ $seen }})[10m:15s]) - avg_over_time(({{ $backlog }})[10m:15s])) > 0.1 * avg_over_time(({{ $backlog }})[10m:15s]) + 0.1 * {{ $target }}
      for: 5m
      labels: {severity: ticket, pool: {{ $pool }}}
      annotations:
        summary: {{ printf "KEDA sees another backlog of %s than the ledger has." $name | quote }}
        description: "The pool has too many workers, or too few."
        runbook: docs/kubernetes.md#seewhyautoscalermismatch
    - alert: SeewhyAutoscalerBlind
      expr: |-
        (max(increase(keda_scaler_detail_errors_total{{ $object }}[5m]) or increase(keda_scaler_detail_errors_total{{ $exported }}[5m])) > 0) or absent(keda_scaler_metrics_value{{ $object }} or keda_scaler_metrics_value{{ $exported }})
      for: 5m
      labels: {severity: ticket, pool: {{ $pool }}}
      annotations:
        summary: {{ printf "KEDA cannot read the backlog of %s." $name | quote }}
        description: {{ printf "The pool keeps %d workers or more, whatever its backlog." (int64 $config.autoscaling.fallback.replicas) | quote }}
        runbook: docs/kubernetes.md#seewhyautoscalerblind
    - alert: SeewhyWorkersMissing
      expr: |-
        min_over_time(clamp_max(ceil(({{ $backlog }}) / {{ $target }}), {{ $config.autoscaling.maxReplicas | int64 }})[10m:30s]) > min(max by (model) (seewhy_workers{model=~{{ join "|" (concat $config.models $config.demandModels) | quote }}}) or on () vector(0))
      for: 5m
      labels: {severity: page, pool: {{ $pool }}}
      annotations:
        summary: {{ printf "The backlog of %s needs more workers than have started in ten minutes." $name | quote }}
        description: "Nodes, GPUs or the image are missing, or workers end at their start."
        runbook: docs/kubernetes.md#seewhyworkersmissing
    {{- end }}
{{- end }}
{{- end -}}
