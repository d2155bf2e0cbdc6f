"""The dashboard of what clients notice: availability, the objective, requests, durations."""

from dashboards.panels import Dashboard, Graph, Query, Stat

SUBMISSION = 'method="POST",route="/v1/explanations"'
IN_TIME = (
    'max(rate(seewhy_job_duration_seconds_bucket{priority="interactive",le="30.0"}[1h]))'
    ' / (max(rate(seewhy_job_duration_seconds_count{priority="interactive"}[1h])) > 0)'
)

SERVICE = Dashboard(
    name="service",
    title="seewhy: service",
    description="What clients notice: whether the service answers, how fast, and what it refuses.",
    panels=(
        Stat(
            "Ledger",
            "1 while Redis answers. Alert: SeewhyLedgerDown.",
            (Query("max(seewhy_ledger_up)"),),
            bad_below=1,
        ),
        Stat(
            "Firing alerts",
            "docs/monitoring.md says what to do about each.",
            (Query('count(ALERTS{alertname=~"Seewhy.+",alertstate="firing"}) or vector(0)'),),
            bad_from=1,
        ),
        Stat(
            "Unaccounted jobs",
            "Accepted jobs that are neither open nor ended. Any value but 0 is an error. Alert: "
            "SeewhyJobsUnaccounted.",
            (Query("max(abs(seewhy_jobs_unaccounted))"),),
            bad_from=1,
        ),
        Stat(
            "Interactive jobs within 30 s, last hour",
            "The objective is 99 %. Alerts: SeewhyObjectiveBurnsFast, SeewhyObjectiveBurnsSlowly.",
            (Query(IN_TIME),),
            unit="percentunit",
            bad_below=0.99,
        ),
        Stat(
            "Redis memory",
            "Used of its limit. Alert: SeewhyRedisAlmostFull.",
            (
                Query(
                    "max(seewhy_redis_memory_bytes / (seewhy_redis_memory_limit_bytes > 0))"
                    " or vector(0)"
                ),
            ),
            unit="percentunit",
            bad_from=0.85,
        ),
        Stat(
            "Redis writes to its disk",
            "1 while its last writes succeeded. Alert: SeewhyRedisNotPersistent.",
            (Query("max(seewhy_redis_persistent)"),),
            bad_below=1,
        ),
        Graph(
            "Jobs",
            "Accepted jobs, and jobs with an outcome, by second.",
            (
                Query("max(rate(seewhy_jobs_accepted_total[$__rate_interval]))", "accepted"),
                Query(
                    "max by (state) (rate(seewhy_jobs_ended_total[$__rate_interval]))",
                    "{{state}}",
                ),
            ),
            unit="ops",
        ),
        Graph(
            "Time from submission to success",
            "Computed jobs of all workers, by the clock of Redis; estimated within a bucket.",
            tuple(
                Query(
                    f"histogram_quantile({quantile}, max by (le, priority) "
                    "(rate(seewhy_job_duration_seconds_bucket[$__rate_interval])))",
                    f"p{quantile * 100:.0f} {{{{priority}}}}",
                )
                for quantile in (0.5, 0.95, 0.99)
            ),
            unit="s",
        ),
        Graph(
            "Share of slow interactive jobs",
            "Jobs over 30 s. The lines of the alerts: 14.4 %, 6 %, 3 % and 1 %.",
            tuple(
                Query(f"seewhy:slow_interactive_jobs:ratio_rate{window}", window)
                for window in ("5m", "1h", "6h", "3d")
            ),
            unit="percentunit",
        ),
        Graph(
            "Requests by status",
            "Answered requests of all API processes, by second.",
            (
                Query(
                    "sum by (status) (rate(seewhy_http_requests_total[$__rate_interval]))",
                    "{{status}}",
                ),
            ),
            unit="reqps",
            stacked=True,
        ),
        Graph(
            "Problems by code",
            "Answers that are problems, by second. The codes are those of the HTTP reference.",
            (
                Query(
                    "sum by (code) (rate(seewhy_http_problems_total[$__rate_interval]))",
                    "{{code}}",
                ),
            ),
            unit="reqps",
            stacked=True,
        ),
        Graph(
            "Share of answers with 5xx",
            "Alert: SeewhyApiErrors, above 2 %.",
            (
                Query(
                    '(sum(rate(seewhy_http_requests_total{status=~"5.."}[$__rate_interval]))'
                    " or vector(0)) / sum(rate(seewhy_http_requests_total[$__rate_interval]))",
                    "5xx",
                ),
            ),
            unit="percentunit",
        ),
        Graph(
            "Time of a submission",
            "Until the answer, with the writes to the store. Compare with the time that a scrape "
            "of the ledger takes: above 50 ms, Redis is slow. Alert: SeewhySubmissionsSlow.",
            (
                *(
                    Query(
                        f"histogram_quantile({quantile}, sum by (le) (rate("
                        "seewhy_http_request_duration_seconds_bucket"
                        f"{{{SUBMISSION}}}[$__rate_interval])))",
                        f"p{quantile * 100:.0f}",
                    )
                    for quantile in (0.5, 0.95, 0.99)
                ),
                Query("max(seewhy_ledger_scrape_duration_seconds)", "scrape of the ledger"),
            ),
            unit="s",
        ),
        Graph(
            "Time of requests by route, p95",
            "Without requests that wait for an outcome.",
            (
                Query(
                    "histogram_quantile(0.95, sum by (le, method, route) "
                    "(rate(seewhy_http_request_duration_seconds_bucket[$__rate_interval])))",
                    "{{method}} {{route}}",
                ),
            ),
            unit="s",
        ),
        Graph(
            "Open streams, drawings and downloads",
            "The use of each limit, of the fullest API process.",
            (
                Query(
                    "max by (kind) (seewhy_http_slots_used / seewhy_http_slots_limit)", "{{kind}}"
                ),
            ),
            unit="percentunit",
        ),
        Graph(
            "Processor time of the API",
            "Cores in use, by process.",
            (
                Query(
                    'rate(process_cpu_seconds_total{job="seewhy-api"}[$__rate_interval])',
                    "{{instance}}",
                ),
            ),
        ),
        Graph(
            "Memory of the API and of Redis",
            "Resident memory by process, and what Redis uses.",
            (
                Query('process_resident_memory_bytes{job="seewhy-api"}', "{{instance}}"),
                Query("max(seewhy_redis_memory_bytes)", "Redis"),
            ),
            unit="bytes",
        ),
        Graph(
            "Redis",
            "Connections, and keys that it evicted in the last hour. Alert: SeewhyRedisEvicts.",
            (
                Query("max(seewhy_redis_clients)", "connections"),
                Query("max(increase(seewhy_redis_evicted_keys_total[1h]))", "evicted keys"),
            ),
        ),
    ),
)
