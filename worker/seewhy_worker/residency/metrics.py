"""The metrics of a worker's models: what is loaded, and what loading takes."""

from prometheus_client import Counter, Gauge, Histogram

LOAD_BUCKETS_S = (0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320)

LOADS = Counter(
    "seewhy_model_loads", "Loads of models: loaded or failed.", labelnames=["model", "outcome"]
)
DROPS = Counter("seewhy_model_drops", "Models that were dropped.", labelnames=["model"])
LOAD_SECONDS = Histogram(
    "seewhy_model_load_seconds",
    "Time until a model was loaded and warm.",
    labelnames=["model"],
    buckets=LOAD_BUCKETS_S,
)
MODEL_BYTES = Gauge(
    "seewhy_model_bytes",
    "Memory that a model takes; 0 after it was dropped.",
    labelnames=["model"],
)
BUDGET_BYTES = Gauge(
    "seewhy_model_budget_bytes",
    "Memory that all models may take; only of workers with models on demand.",
)
