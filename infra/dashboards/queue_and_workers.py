"""The dashboard of what waits, who works, what fails, and what is delivered."""

from dashboards.panels import Dashboard, Graph, Query, Stat

DRAIN_TIME = (
    "sum(max by (lane) (seewhy_jobs_open))"
    " / (sum(max by (state) (rate(seewhy_jobs_ended_total[5m]))) > 0)"
)


def _by_lane(metric: str, legend: str) -> Query:
    """Show the lanes that had jobs in the time shown: a catalog has four for each model."""
    used = "max by (lane) (max_over_time(seewhy_jobs_open[$__range])) > 0"
    return Query(f"max by (lane) ({metric}) and on (lane) {used}", legend)


QUEUE_AND_WORKERS = Dashboard(
    name="queue-and-workers",
    title="seewhy: queue and workers",
    description="What waits, who works, what fails, and what is delivered.",
    panels=(
        Stat(
            "Open jobs",
            "Jobs without an outcome, in all lanes.",
            (Query("sum(max by (lane) (seewhy_jobs_open))"),),
        ),
        Stat(
            "Time to drain",
            "Open jobs divided by the jobs that end in a second, over 5 minutes.",
            (Query(DRAIN_TIME),),
            unit="s",
        ),
        Stat(
            "Oldest interactive job",
            "That a worker may claim. Alert: SeewhyInteractiveJobsWait.",
            (Query('max(seewhy_oldest_ready_job_age_seconds{lane=~"[^:]+:interactive"})'),),
            unit="s",
            bad_from=60,
        ),
        Stat(
            "Workers",
            "Registered, counted once for each model. Alert: SeewhyNoWorkers.",
            (Query("sum(max by (model) (seewhy_workers))"),),
            bad_below=1,
        ),
        Stat(
            "Lost claims, last hour",
            "Workers that died or were cut off. Alert: SeewhyLeasesExpire.",
            (Query("max(increase(seewhy_leases_expired_total[1h]))"),),
            bad_from=1,
        ),
        Stat(
            "Dead letters",
            "Failed jobs that nobody dismissed: seewhy dead list.",
            (Query("max(seewhy_dead_letters)"),),
        ),
        Graph(
            "Ready and running jobs by lane",
            "A lane is a model and a priority; lanes of long jobs end in :long.",
            (
                _by_lane("seewhy_jobs_ready", "ready {{lane}}"),
                _by_lane("seewhy_jobs_running", "running {{lane}}"),
            ),
            stacked=True,
        ),
        Graph(
            "Backlog by lane",
            "Seconds of a device, and passes, that ready and running jobs are estimated to take.",
            (
                _by_lane("seewhy_backlog_device_seconds", "seconds {{lane}}"),
                _by_lane("seewhy_backlog_passes", "passes {{lane}}"),
            ),
        ),
        Graph(
            "Ages by lane",
            "Since the submission of the oldest ready job, and since the oldest claim.",
            (
                _by_lane("seewhy_oldest_ready_job_age_seconds", "ready {{lane}}"),
                _by_lane("seewhy_longest_running_job_seconds", "running {{lane}}"),
            ),
            unit="s",
        ),
        Graph(
            "Time from submission to claim",
            "At the first attempt, by the clock of Redis.",
            tuple(
                Query(
                    f"histogram_quantile({quantile}, sum by (le, priority) "
                    "(rate(seewhy_job_wait_seconds_bucket[$__rate_interval])))",
                    f"p{quantile * 100:.0f} {{{{priority}}}}",
                )
                for quantile in (0.5, 0.95, 0.99)
            ),
            unit="s",
        ),
        Graph(
            "Workers by model",
            "Workers that serve the model, and those of them that have it loaded; loads and drops "
            "in an hour. Alerts: SeewhyModelLoadsFail, SeewhyModelsTakeTurns.",
            (
                Query(
                    "sum by (model, outcome) (increase(seewhy_model_loads_total[1h]))",
                    "{{outcome}} {{model}} in 1 h",
                ),
                Query(
                    "sum by (model) (increase(seewhy_model_drops_total[1h])) or vector(0)",
                    "dropped {{model}} in 1 h",
                ),
                Query("max by (model) (seewhy_workers)", "serving {{model}}"),
                Query("max by (model) (seewhy_workers_loaded)", "having {{model}}"),
            ),
        ),
        Graph(
            "Wakeups and sweeps",
            "Unread wakeups by lane, and jobs that the next sweep examines. Alert: "
            "SeewhyNothingStarts.",
            (
                _by_lane("seewhy_wakeups_unread", "unread {{lane}}"),
                Query("max(seewhy_jobs_overdue)", "overdue"),
            ),
        ),
        Graph(
            "Reports by outcome",
            "What workers report, by second; stale: refused, because the claim was lost.",
            (
                Query(
                    "sum by (outcome) (rate(seewhy_job_reports_total[$__rate_interval]))",
                    "{{outcome}}",
                ),
                Query(
                    "sum(rate(seewhy_stale_reports_total[$__rate_interval])) or vector(0)", "stale"
                ),
            ),
            unit="ops",
        ),
        Graph(
            "Failed attempts by code",
            "By second. Alert: SeewhyJobsFail, for jobs whose last attempt failed.",
            (
                Query(
                    "sum by (code) (rate(seewhy_job_failures_total[$__rate_interval]))",
                    "{{code}}",
                ),
            ),
            unit="ops",
            stacked=True,
        ),
        Graph(
            "Upkeep",
            "Outcomes that are not archived (alert: SeewhyOutcomesUnarchived), and batches whose "
            "items are being submitted or cancelled.",
            (
                Query("max(seewhy_outcomes_unarchived)", "outcomes to archive"),
                Query("max(seewhy_batches_accepting)", "batches"),
            ),
        ),
        Graph(
            "Deliveries by result",
            "Webhooks and pushes to Label Studio that were tried, by second.",
            (
                Query(
                    "sum by (kind, result) "
                    "(rate(seewhy_delivery_attempts_total[$__rate_interval]))",
                    "{{kind}} {{result}}",
                ),
            ),
            unit="ops",
            stacked=True,
        ),
        Graph(
            "Time of deliveries, p95",
            "Until the answer, and how long the delivery that waits longest has been due. Alert: "
            "SeewhyDeliveriesDelayed.",
            (
                Query(
                    "histogram_quantile(0.95, sum by (le, kind) "
                    "(rate(seewhy_delivery_duration_seconds_bucket[$__rate_interval])))",
                    "{{kind}}",
                ),
                Query("max(seewhy_delivery_delay_seconds)", "due for"),
            ),
            unit="s",
        ),
        Graph(
            "Receivers and undelivered webhooks",
            "Receivers with deliveries that wait, and webhooks whose last attempt failed.",
            (
                Query("max(seewhy_delivery_origins)", "receivers"),
                Query("max(seewhy_deliveries_undelivered)", "undelivered"),
            ),
        ),
    ),
)
