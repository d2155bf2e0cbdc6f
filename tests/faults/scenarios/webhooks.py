"""Webhook receivers misbehave in every way at once, and dispatchers die."""

import json
import random
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import cycle, islice

from standardwebhooks import Webhook

from faults.environment import Environment
from faults.scenario import scenario
from faults.webhook_checker import WebhookHistory, check_webhooks
from faults.webhook_receivers import WebhookReceivers, start_receivers
from seewhy.ledger.types import DeliveryState
from seewhy.webhook_secrets import generate_secret
from servers.process_cluster import Process
from servers.receivers import Message
from servers.waiting import wait_until

SECRET = generate_secret()
UNDELIVERABLE = 6
"""Jobs per receiver that never recovers: fewer than one round, so that all end together."""
NEVER_CONTACTED = {"untrusted", "forbidden"}


@scenario(
    "F28",
    "webhook receivers fail, hang, drip, flood, redirect, reset or are down; dispatchers die",
    settings={"webhook_secrets": SECRET, "webhook_allowed_networks": "127.0.0.1/32"},
    batch_ms=20,
)
def break_webhook_receivers(env: Environment) -> None:
    """Check that every receiver that recovers gets its webhooks, and no other gets any."""
    jobs_wanted = len(env.submitter.keys)
    env.await_accepted(1)
    with start_receivers(env.api.directory) as receivers, ThreadPoolExecutor(1) as pool:
        dispatcher = env.workers.cluster.start_fast_dispatcher()
        submitting = pool.submit(_submit_all, env, receivers, jobs_wanted)
        dispatcher, first_s = _kill_before_report(env, receivers, dispatcher)
        jobs = submitting.result()
        contacted = receivers.urls.keys() - NEVER_CONTACTED - {"down"}
        wait_until(
            lambda: all(map(receivers.request_count, contacted)),
            what="every receiver got a request",
        )
        receivers.errors_over.set()
        dispatcher, second_s = _kill_before_report(env, receivers, dispatcher)
        cuts_s = _kill_connections(env, receivers)
        env.await_all_ended()
        steady = [job_id for job_id, name in jobs.items() if name == "steady"]
        wait_until(
            lambda: all(_state(env, job_id) is DeliveryState.DELIVERED for job_id in steady),
            what="the steady receiver has its webhooks while others hang",
        )
        hanging = ("hanging", "dripping")
        assert not any(map(receivers.acknowledged_count, hanging))
        assert env.redis.zcard("{seewhy}:outbox") > 0, "no delivery was pending"
        receivers.hangs_over.set()
        receivers.start_down_receiver()
        env.record_fault()
        deliverable = [
            job_id
            for job_id, name in jobs.items()
            if receivers.expected[name] is DeliveryState.DELIVERED
        ]
        # The checker reports webhooks that are not delivered by then.
        with suppress(AssertionError):
            wait_until(
                lambda: all(_state(env, job) is DeliveryState.DELIVERED for job in deliverable),
                what="every receiver that recovered has its webhooks",
            )
            wait_until(lambda: not _left_over(env), what="the outbox is empty")
        assert dispatcher.poll() is None
        _check(env, receivers, jobs, [first_s, second_s, *cuts_s])


def _submit_all(env: Environment, receivers: WebhookReceivers, count: int) -> dict[str, str]:
    """Submit `count` jobs with webhooks; return job id → receiver."""
    undeliverable = [
        name for name, state in receivers.expected.items() if state is not DeliveryState.DELIVERED
    ]
    others = [name for name in receivers.urls if name not in undeliverable]
    names = undeliverable * min(UNDELIVERABLE, count // len(receivers.urls))
    names += islice(cycle(others), count - len(names))
    env.rng.shuffle(names)

    def submit(number: int) -> str:
        time.sleep(random.Random(f"{names[number]} {number}").uniform(0, 0.2))
        request = json.dumps({"cache": False, "webhook": receivers.urls[names[number]]})
        return env.submitter.submit_extra(f"webhook-{number}", request=request)

    with ThreadPoolExecutor(8) as pool:
        return dict(zip(pool.map(submit, range(count)), names, strict=True))


def _kill_before_report(
    env: Environment, receivers: WebhookReceivers, dispatcher: Process
) -> tuple[Process, float]:
    """Kill a dispatcher with unreported responses; return its successor and the time in s."""
    acknowledged = receivers.acknowledged_count("half-hanging")
    requests = receivers.request_count("half-hanging")
    wait_until(
        lambda: (
            receivers.acknowledged_count("half-hanging") > acknowledged
            and receivers.request_count("half-hanging") > requests + 1
        ),
        what="one request of a round is answered, and another is not",
    )
    env.kill(dispatcher)
    killed_s = time.time()
    env.record_fault()
    return env.workers.cluster.start_fast_dispatcher(), killed_s


def _kill_connections(env: Environment, receivers: WebhookReceivers) -> list[float]:
    """Kill all connections to Redis during requests; return the times in s."""
    times_s = []
    for _ in range(3):
        _await_request(receivers, "hanging")
        assert env.redis.client_kill_filter(_type="normal", skipme=True) > 0
        times_s.append(time.time())
        env.record_fault()
    return times_s


def _await_request(receivers: WebhookReceivers, name: str) -> None:
    before = receivers.request_count(name)
    wait_until(lambda: receivers.request_count(name) > before, what=f"{name} got a request")


def _state(env: Environment, job_id: str) -> DeliveryState | None:
    record = env.ledger.read(job_id)
    return record.webhook.state if record and record.webhook else None


def _left_over(env: Environment) -> list[str]:
    return [str(key) for key in env.redis.keys("{seewhy}:outbox*")] + [
        str(origin) for origin in env.redis.hkeys("{seewhy}:origin_leases")
    ]


def _check(
    env: Environment,
    receivers: WebhookReceivers,
    jobs: dict[str, str],
    fault_times_s: list[float],
) -> None:
    def verify(message: Message) -> None:
        Webhook(SECRET).verify(message.body, dict(message.headers))

    records = env.records()
    received = receivers.received()
    report = check_webhooks(
        WebhookHistory(
            requested=jobs,
            expected=receivers.expected,
            received=received,
            records=records,
            fault_times_s=fault_times_s,
            left_over=_left_over(env),
            verify=verify,
        )
    )
    delays_s: dict[str, float] = {}
    for one in received:
        if one.acknowledged:
            delay_s = one.message.at - (records[one.job_id].finished_ms or 0) / 1000
            delays_s[one.job_id] = min(delay_s, delays_s.get(one.job_id, delay_s))
    print(
        f"F28: {report} {len(received)} requests,"
        f" slowest delivery after {max(delays_s.values()):.1f} s"
    )
    assert not report.violations, str(report)
    assert report.redelivered > 0, "no dispatcher died between a response and its report"
    assert not any(map(receivers.request_count, NEVER_CONTACTED)), "a forbidden request was sent"
    undelivered = {r.job_id for r in env.ledger.outbox.list_undelivered()}
    expected = {
        job_id
        for job_id, name in jobs.items()
        if receivers.expected[name] is not DeliveryState.DELIVERED
    }
    assert undelivered == expected
