"""Clients hang up, dawdle, crowd in and change their minds."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx2

from faults.audience import Heard, follow, states_told
from faults.scenario import scenario
from faults.submitter import Promise
from faults.world import World
from seewhy.schemas.job import JobState
from servers.listeners import Listeners
from servers.waiting import wait_until

IDLE = 200
RESPONSIVE_S = 5.0
NOBODY_SERVES = '{"model": "vgg16"}'


@scenario(
    "F29",
    "listeners hang up and resume, two hundred do nothing but wait, one never reads",
    over_s=4.0,
    batch_ms=400,
)
def listen_in_every_way(world: World) -> None:
    waiting = world.submitter.ask_aside("a job that waits", request=NOBODY_SERVES)
    path = f"/v1/explanations/{waiting}/events"
    host, port = world.api.settings.api_host, world.api.settings.api_port
    with Listeners(host, port) as idle, Listeners(host, port) as deaf:
        for _ in range(IDLE):
            idle.open(path)
        idle.read_until(lambda text: b'"queued"' in text, what="everybody listens")
        deaf.open(path)
        told = _follow_all(world)
        cancel = httpx2.post(f"{world.api.url}/v1/explanations/{waiting}/cancel", timeout=30)
        assert cancel.json()["status"] == JobState.CANCELLED
        for crowd in (idle, deaf):
            crowd.read_until(lambda text: text.endswith(b"0\r\n\r\n"), what="it is over for all")
            ends = [text.count(b"\nid: end\n") for text in crowd.received.values()]
            assert set(ends) == {1}, "an outcome was told twice"
    world.await_all()
    world.struck()
    events = world.history([]).events
    for job_id, messages in told.items():
        heard = [message.state for message in messages]
        wanted = states_told(events, job_id, messages[0])
        assert heard == wanted, f"{job_id}: heard {heard}, not {wanted}"


def _follow_all(world: World) -> dict[str, list[Heard]]:
    """Follow every promised job to its end, hanging up now and then; ask others meanwhile."""
    told = {}
    slowest_s = 0.0
    with ThreadPoolExecutor(8) as pool, httpx2.Client(timeout=30) as client:
        following = {}
        while not (world.all_promised() and all(future.done() for future in following.values())):
            for promise in world.log.read():
                if promise.job_id not in following and promise.key.startswith("job-"):
                    seed = world.chance.random()
                    following[promise.job_id] = pool.submit(
                        follow, world.api.url, promise.job_id, seed=seed
                    )
            asked = time.monotonic()
            assert client.get(f"{world.api.url}/healthz").status_code == 200
            slowest_s = max(slowest_s, time.monotonic() - asked)
            world.pause(0.05, 0.15)
        told = {job_id: future.result() for job_id, future in following.items()}
    assert slowest_s < RESPONSIVE_S, "streams kept the API from its other work"
    resumed = sum(message.resumed for messages in told.values() for message in messages)
    assert resumed > len(told) // 10, "hardly anybody came back"
    return told


@scenario("F32", "jobs are cancelled at every moment of their lives", over_s=1.5, batch_ms=300)
def cancel_at_random(world: World) -> None:
    answers: dict[str, JobState] = {}
    with ThreadPoolExecutor(64) as pool, httpx2.Client(timeout=30) as client:

        def cancel(promise: Promise, after_s: float) -> None:
            time.sleep(after_s)
            answer = client.post(f"{world.api.url}/v1/explanations/{promise.job_id}/cancel")
            assert answer.status_code == 200, answer.text
            answers[promise.job_id] = JobState(answer.json()["status"])

        seen = 0
        while not (world.all_promised() and seen == len(world.submitter.keys)):
            fresh = world.log.read()[seen:]
            seen += len(fresh)
            for promise in fresh:
                if world.chance.random() < 0.7:
                    longest_s = world.chance.choice([0.1, 4.0])
                    pool.submit(cancel, promise, world.chance.uniform(0, longest_s))
            world.pause(0, 0.05)
    world.await_all()
    world.struck()
    records = world.records()
    wanted = {JobState.CANCELLED, JobState.RUNNING, JobState.SUCCEEDED}
    assert set(answers.values()) == wanted, Counter(answers.values())
    for job_id, said in answers.items():
        assert records[job_id].state is said or not said.terminal, "an answer was taken back"
    asked_for = {job_id for job_id, r in records.items() if r.state is JobState.CANCELLED}
    assert asked_for <= set(answers), "a job was cancelled that nobody wanted to"
    wait_until(lambda: world.client.zcard("seewhy:unfiled") == 0, what="the store knows of it")
