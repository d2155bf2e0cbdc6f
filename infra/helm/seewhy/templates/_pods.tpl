{{/* What every pod has. Takes root, component, of a worker pool, and config: the component's values. */}}
{{- define "seewhy.podSpec" -}}
{{- with .root.Values.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
automountServiceAccountToken: false
# Links to a Service seewhy-api would set SEEWHY_API_PORT, which is a setting.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with .config }}
{{- with .terminationGracePeriodSeconds }}
terminationGracePeriodSeconds: {{ . }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Spread a component over zones and nodes. Takes root, component and pool. */}}
{{- define "seewhy.spread" -}}
topologySpreadConstraints:
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "seewhy.selector" $ | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end -}}

{{- define "seewhy.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end -}}

{{/* Environment variables, each once and in the order of their names. Takes root, component, pool
     and config. Later settings override earlier ones. */}}
{{- define "seewhy.environment" -}}
{{- $values := .root.Values -}}
{{- $plain := dict
      "SEEWHY_STORE_URL" $values.store.url
      "SEEWHY_S3_REGION" $values.store.region
      "SEEWHY_S3_ENDPOINT" $values.store.endpoint
      "SEEWHY_S3_PUBLIC_ENDPOINT" $values.store.publicEndpoint
      "TMPDIR" "/tmp"
      "PYTHONDONTWRITEBYTECODE" "1"
-}}
{{- $secret := dict -}}
{{- with $values.store.existingSecret -}}
{{- $_ := set $secret "SEEWHY_S3_ACCESS_KEY_ID" (dict "name" . "key" $values.store.accessKeyIdKey) -}}
{{- $_ := set $secret "SEEWHY_S3_SECRET_ACCESS_KEY" (dict "name" . "key" $values.store.secretAccessKeyKey) -}}
{{- end -}}
{{- if ne .component "bucket" -}}
{{- $ports := dict "api" "API" "worker" "WORKER" "dispatcher" "DISPATCHER" -}}
{{- $_ := set $plain "SEEWHY_METRICS_HOST" "0.0.0.0" -}}
{{- $_ := set $plain (printf "SEEWHY_%s_METRICS_PORT" (get $ports .component)) (include "seewhy.metricsPort" .) -}}
{{- $_ := set $plain "SEEWHY_DEFAULT_MODEL" $values.models.default -}}
{{- $_ := set $plain "SEEWHY_MODELS_FILE" $values.models.file -}}
{{- $_ := set $secret "SEEWHY_REDIS_URL" (dict "name" $values.redis.existingSecret "key" (get $values.redis.urlKeys .component)) -}}
{{- end -}}
{{- if or (eq .component "api") (eq .component "dispatcher") -}}
{{- $_ := set $plain "SEEWHY_LABEL_STUDIO_URL" $values.labelStudio.url -}}
{{- with $values.labelStudio.existingSecret -}}
{{- $_ := set $secret "SEEWHY_LABEL_STUDIO_API_KEY" (dict "name" . "key" $values.labelStudio.apiKeyKey) -}}
{{- end -}}
{{- with $values.webhooks.existingSecret -}}
{{- $_ := set $secret "SEEWHY_WEBHOOK_SECRETS" (dict "name" . "key" $values.webhooks.secretsKey) -}}
{{- end -}}
{{- end -}}
{{- if eq .component "api" -}}
{{- $_ := set $plain "SEEWHY_API_HOST" "0.0.0.0" -}}
{{- $_ := set $plain "SEEWHY_API_PORT" "8000" -}}
{{- $_ := set $plain "SEEWHY_AUTH" $values.api.auth -}}
{{- $_ := set $plain "SEEWHY_API_ALLOWED_HOSTS" (include "seewhy.hosts" .root) -}}
{{- end -}}
{{- if eq .component "worker" -}}
{{- $_ := set $plain "SEEWHY_WORKER_MODELS" (join "," .config.models) -}}
{{- $_ := set $plain "SEEWHY_WORKER_DEMAND_MODELS" (join "," .config.demandModels) -}}
{{- $_ := set $plain "SEEWHY_MODEL_DIR" "/models" -}}
{{- $_ := set $plain "KERAS_HOME" "/tmp/keras" -}}
{{- $_ := set $plain "CUDA_CACHE_PATH" "/tmp/cuda" -}}
{{- end -}}
{{- $plain = mustMergeOverwrite $plain (deepCopy $values.settings) (deepCopy (.config.settings | default dict)) -}}
env:
  {{- range $name, $value := $plain }}
  {{- if $value }}
  - name: {{ $name }}
    value: {{ $value | quote }}
  {{- end }}
  {{- end }}
  {{- range $name, $source := $secret }}
  - name: {{ $name }}
    valueFrom:
      secretKeyRef:
        name: {{ $source.name }}
        key: {{ $source.key }}
  {{- end }}
{{- end -}}

{{- define "seewhy.metricsPort" -}}
{{ get (dict "api" "9464" "worker" "9465" "dispatcher" "9466") .component }}
{{- end -}}

{{/* The names by which clients reach the API: its Service, and the Ingress. */}}
{{- define "seewhy.hosts" -}}
{{- $service := printf "%s-api" (include "seewhy.fullname" .) -}}
{{- $local := printf "%s.%s" $service .Release.Namespace -}}
{{- $hosts := list "localhost" "127.0.0.1" $service $local (printf "%s.svc" $local) (printf "%s.svc.cluster.local" $local) -}}
{{- if .Values.ingress.enabled -}}
{{- $hosts = append $hosts .Values.ingress.host -}}
{{- end -}}
{{ join "," $hosts }}
{{- end -}}

{{/* Volumes: a writable /tmp, and the models. Takes root and component. */}}
{{- define "seewhy.volumes" -}}
volumes:
  - name: tmp
    emptyDir:
      sizeLimit: 2Gi
  {{- if .root.Values.models.existingClaim }}
  - name: models
    persistentVolumeClaim:
      claimName: {{ .root.Values.models.existingClaim }}
      readOnly: true
  {{- else if eq .component "worker" }}
  - name: models
    emptyDir:
      sizeLimit: 2Gi
  {{- end }}
{{- end -}}

{{- define "seewhy.volumeMounts" -}}
volumeMounts:
  - name: tmp
    mountPath: /tmp
  {{- if .root.Values.models.existingClaim }}
  - name: models
    mountPath: /models
    readOnly: true
  {{- else if eq .component "worker" }}
  - name: models
    mountPath: /models
  {{- end }}
{{- end -}}

{{/* Tolerations of a component, and of the taint of GPU nodes. */}}
{{- define "seewhy.tolerations" -}}
{{- $tolerations := .config.tolerations -}}
{{- if and .config.gpu (ne (default "none" (.config.gpu | default dict).mode) "none") -}}
{{- $tolerations = append $tolerations (dict "key" "nvidia.com/gpu" "operator" "Exists" "effect" "NoSchedule") -}}
{{- end -}}
{{- with $tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
