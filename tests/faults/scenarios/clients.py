"""Clients of event streams disconnect, stall and crowd in; clients cancel jobs."""

import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor

import httpx2

from faults.environment import Environment
from faults.event_stream_client import ReceivedEvent, expected_states, follow
from faults.scenario import scenario
from faults.submitter import Submission
from seewhy.schemas.job import JobState
from servers.event_stream_clients import EventStreamClients
from servers.waiting import wait_until

IDLE_CLIENTS = 200
MAX_RESPONSE_S = 5.0
UNSERVED_REQUEST = '{"model": "vgg16"}'
"""No worker serves this model, so that the job stays queued."""


@scenario(
    "F29",
    "event-stream clients disconnect and resume, 200 clients wait idly, one never reads",
    load_s=4.0,
    batch_ms=400,
)
def follow_event_streams(env: Environment) -> None:
    """Check that streams have no gaps, send each outcome once, and do not block the API."""
    waiting = env.submitter.submit_extra("waiting job", request=UNSERVED_REQUEST)
    path = f"/v1/explanations/{waiting}/events"
    host, port = env.api.settings.api_host, env.api.settings.api_port
    with EventStreamClients(host, port) as idle, EventStreamClients(host, port) as not_reading:
        for _ in range(IDLE_CLIENTS):
            idle.open(path)
        idle.read_until(lambda text: b'"queued"' in text, what="every stream has started")
        not_reading.open(path)
        received = _follow_all(env)
        cancel = httpx2.post(f"{env.api.url}/v1/explanations/{waiting}/cancel", timeout=30)
        assert cancel.json()["status"] == JobState.CANCELLED
        for clients in (idle, not_reading):
            clients.read_until(
                lambda text: text.endswith(b"0\r\n\r\n"), what="every stream has ended"
            )
            ends = [text.count(b"\nid: end\n") for text in clients.received.values()]
            assert set(ends) == {1}, "an outcome was sent twice"
    env.await_all_ended()
    env.record_fault()
    events = env.history([]).events
    for job_id, messages in received.items():
        states = [message.state for message in messages]
        expected = expected_states(events, job_id, messages[0])
        assert states == expected, f"{job_id}: received {states}, not {expected}"


def _follow_all(env: Environment) -> dict[str, list[ReceivedEvent]]:
    """Follow every accepted job to its outcome while polling the API's health."""
    slowest_s = 0.0
    with ThreadPoolExecutor(8) as pool, httpx2.Client(timeout=30) as client:
        following: dict[str, Future[list[ReceivedEvent]]] = {}
        while not (env.all_accepted() and all(future.done() for future in following.values())):
            for submission in env.submissions.read():
                if submission.job_id not in following and submission.key.startswith("job-"):
                    following[submission.job_id] = pool.submit(
                        follow, env.api.url, submission.job_id, seed=env.rng.random()
                    )
            started = time.monotonic()
            assert client.get(f"{env.api.url}/healthz").status_code == 200
            slowest_s = max(slowest_s, time.monotonic() - started)
            env.pause(0.05, 0.15)
        received = {job_id: future.result() for job_id, future in following.items()}
    assert slowest_s < MAX_RESPONSE_S, "event streams blocked other requests"
    resumed = sum(message.resumed for messages in received.values() for message in messages)
    assert resumed > len(received) // 10, "too few clients resumed"
    return received


@scenario("F32", "jobs are cancelled at random moments", load_s=1.5, batch_ms=300)
def cancel_at_random(env: Environment) -> None:
    """Check that a cancellation response is never revoked."""
    responses: dict[str, JobState] = {}
    cancellations: list[Future[None]] = []
    with httpx2.Client(timeout=30) as client, ThreadPoolExecutor(64) as pool:

        def cancel(submission: Submission, after_s: float) -> None:
            time.sleep(after_s)
            response = client.post(f"{env.api.url}/v1/explanations/{submission.job_id}/cancel")
            assert response.status_code == 200, response.text
            responses[submission.job_id] = JobState(response.json()["status"])

        seen = 0
        while not (env.all_accepted() and seen == len(env.submitter.keys)):
            fresh = env.submissions.read()[seen:]
            seen += len(fresh)
            for submission in fresh:
                if env.rng.random() < 0.7:
                    longest_s = env.rng.choice([0.1, 4.0])
                    after_s = env.rng.uniform(0, longest_s)
                    cancellations.append(pool.submit(cancel, submission, after_s))
            env.pause(0, 0.05)
    for cancellation in cancellations:
        cancellation.result()
    env.await_all_ended()
    env.record_fault()
    records = env.records()
    expected = {JobState.CANCELLED, JobState.RUNNING, JobState.SUCCEEDED}
    assert set(responses.values()) == expected, Counter(responses.values())
    for job_id, state in responses.items():
        assert records[job_id].state is state or not state.terminal, "an outcome was revoked"
    cancelled = {job_id for job_id, r in records.items() if r.state is JobState.CANCELLED}
    assert cancelled <= set(responses), "a job was cancelled without a request"
    wait_until(
        lambda: env.redis.zcard("{seewhy}:unarchived") == 0, what="every outcome is archived"
    )
