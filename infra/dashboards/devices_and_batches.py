"""The dashboard of what the devices do: utilization, batches, stages, kept activations."""

from dashboards.panels import Dashboard, Graph, Query, Stat

MODEL = 'model=~"$model"'


def _rate(metric: str, *labels: str) -> str:
    return f"rate({metric}{{{','.join((MODEL, *labels))}}}[$__rate_interval])"


IMAGES = _rate("seewhy_explanations_total")
CACHED = _rate("seewhy_explanations_total", 'body="cached"')
BUSY = _rate("seewhy_device_busy_seconds_total")
BATCHES = _rate("seewhy_batch_images_count")


def _batches_up_to(images: int) -> str:
    bucket = f'le="{images}.0"'
    return f"sum({_rate('seewhy_batch_images_bucket', bucket)})"


DEVICES_AND_BATCHES = Dashboard(
    name="devices-and-batches",
    title="seewhy: devices and batches",
    description="What the devices do: utilization, batches, stages, kept activations.",
    by_model=True,
    panels=(
        Stat(
            "Images per second",
            "Explained images: a job of three methods explains its image three times.",
            (Query(f"sum({IMAGES})"),),
        ),
        Stat(
            "Mean utilization",
            "The share of time in which a device explains. A worker has one device.",
            (Query(f"avg(sum by (instance) ({BUSY}))"),),
            unit="percentunit",
        ),
        Stat(
            "Device time per image",
            "Busy time divided by explained images.",
            (Query(f"sum({BUSY}) / (sum({IMAGES}) > 0)"),),
            unit="s",
        ),
        Stat(
            "Mean images per batch",
            "Full lanes make full batches; a single job runs at once.",
            (Query(f"sum({_rate('seewhy_batch_images_sum')}) / (sum({BATCHES}) > 0)"),),
        ),
        Stat(
            "Kept activations",
            "The share of images whose activations were kept, so that the body did not run.",
            (
                Query(
                    f"(sum({CACHED}) or vector(0)) / (sum({IMAGES}) > 0)",
                ),
            ),
            unit="percentunit",
        ),
        Stat(
            "Batches per second",
            "Batches that the devices explained.",
            (Query(f"sum({BATCHES})"),),
        ),
        Graph(
            "Utilization by worker",
            "At 100 %, more jobs wait longer: add workers.",
            (Query(f"sum by (instance) ({BUSY})", "{{instance}}"),),
            unit="percentunit",
        ),
        Graph(
            "Utilization by model",
            "Device time of each model, of all workers: 200 % are two busy devices.",
            (Query(f"sum by (model) ({BUSY})", "{{model}}"),),
            unit="percentunit",
            stacked=True,
        ),
        Graph(
            "Images per second by model",
            "By whether the body of the network was computed or its activations were kept.",
            (Query(f"sum by (model, body) ({IMAGES})", "{{model}} {{body}}"),),
            unit="ops",
            stacked=True,
        ),
        Graph(
            "Batches by their images",
            "The share of batches of 1, of 2 to 4, of 5 to 8 and of more images.",
            tuple(
                Query(f"({above} - {below}) / (sum({BATCHES}) > 0)", legend)
                for legend, above, below in (
                    ("1", _batches_up_to(1), "0"),
                    ("2 to 4", _batches_up_to(4), _batches_up_to(1)),
                    ("5 to 8", _batches_up_to(8), _batches_up_to(4)),
                    ("more", f"sum({BATCHES})", _batches_up_to(8)),
                )
            ),
            unit="percentunit",
            stacked=True,
        ),
        Graph(
            "Mean images per batch by model",
            "Compare with SEEWHY_MAX_BATCH.",
            (
                Query(
                    f"sum by (model) ({_rate('seewhy_batch_images_sum')})"
                    f" / (sum by (model) ({BATCHES}) > 0)",
                    "{{model}}",
                ),
            ),
        ),
        Graph(
            "Device time per image by model",
            "It falls as batches grow.",
            (
                Query(
                    f"sum by (model) ({BUSY}) / (sum by (model) ({IMAGES}) > 0)",
                    "{{model}}",
                ),
            ),
            unit="s",
        ),
        Graph(
            "Stages, p95",
            "Of jobs that were claimed together: fetch and decode, explain, render and write. "
            "load: of models, since the workers started.",
            (
                Query(
                    "histogram_quantile(0.95, "
                    f"sum by (le) (seewhy_model_load_seconds_bucket{{{MODEL}}}))",
                    "load",
                ),
                Query(
                    "histogram_quantile(0.95, sum by (le, stage) "
                    f"({_rate('seewhy_batch_stage_seconds_bucket')}))",
                    "{{stage}}",
                ),
            ),
            unit="s",
        ),
        Graph(
            "Batches in each stage",
            "On average. More fetches than explanations: the store or the decoding is slow.",
            (
                Query(
                    f"sum by (stage) ({_rate('seewhy_batch_stage_seconds_sum')})",
                    "{{stage}}",
                ),
            ),
            stacked=True,
        ),
        Graph(
            "Failed attempts of devices",
            "Out of memory, and explainers that failed, by second.",
            (
                Query(
                    "sum by (code) (rate(seewhy_job_failures_total"
                    '{code=~"out_of_memory|explainer_failed"}[$__rate_interval]))',
                    "{{code}}",
                ),
            ),
            unit="ops",
        ),
        Graph(
            "Processor time of workers",
            "Cores in use, by worker.",
            (
                Query(
                    'rate(process_cpu_seconds_total{job="seewhy-worker"}[$__rate_interval])',
                    "{{instance}}",
                ),
            ),
        ),
        Graph(
            "Memory of workers",
            "Resident, without that of a GPU; what all models take, and may take on demand.",
            (
                Query('process_resident_memory_bytes{job="seewhy-worker"}', "{{instance}}"),
                Query(f"sum by (model) (seewhy_model_bytes{{{MODEL}}})", "{{model}}"),
                Query("sum(seewhy_model_budget_bytes)", "budget of models"),
            ),
            unit="bytes",
        ),
        Graph(
            "Open files of workers",
            "Files and connections, by worker.",
            (Query('process_open_fds{job="seewhy-worker"}', "{{instance}}"),),
        ),
    ),
)
