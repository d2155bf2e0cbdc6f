"""Receivers of webhooks misbehave in every way at once, and couriers die."""

import json
import random
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import cycle, islice

from standardwebhooks import Webhook

from faults.scenario import scenario
from faults.tellings import Tellings, judge
from faults.town import Town, town
from faults.world import World
from seewhy.ledger.types import DeliveryState
from seewhy.schemas.webhook_secrets import generate_secret
from servers.house import Process
from servers.receivers import Message
from servers.waiting import wait_until

SECRET = generate_secret()
HOPELESS = 6
"""Jobs of each receiver that never recovers: fewer than a round, so that all end together."""
NEVER_SENT_TO = {"unknown", "forbidden"}


@scenario(
    "F28",
    "receivers of webhooks fail, hang, drip, flood, redirect, reset or are away; couriers die",
    settings={"webhook_secrets": SECRET, "webhook_allowed_networks": "127.0.0.1/32"},
    batch_ms=20,
)
def tell_those_who_do_not_listen(world: World) -> None:
    wanted = len(world.submitter.keys)
    world.await_promises(1)
    with town(world.api.directory) as receivers, ThreadPoolExecutor(1) as aside:
        courier = world.fleet.house.start_hasty_courier()
        asking = aside.submit(_ask_all, world, receivers, wanted)
        courier, first = _kill_between_answer_and_report(world, receivers, courier)
        jobs = asking.result()
        tried = receivers.urls.keys() - NEVER_SENT_TO - {"down"}
        wait_until(lambda: all(map(receivers.seen, tried)), what="every receiver was tried")
        receivers.better.set()
        courier, second = _kill_between_answer_and_report(world, receivers, courier)
        cuts = _cut_connections(world, receivers)
        world.await_all()
        steady = [job_id for job_id, name in jobs.items() if name == "steady"]
        wait_until(
            lambda: all(_delivery(world, job_id) is DeliveryState.DELIVERED for job_id in steady),
            what="those who answer are told while others hang",
        )
        assert receivers.thanks("hanging") == receivers.thanks("dripping") == 0
        assert world.client.zcard("seewhy:outbox") > 0, "nobody hung any more"
        receivers.awake.set()
        receivers.open_what_was_down()
        world.struck()
        told = [j for j, name in jobs.items() if receivers.ends[name] is DeliveryState.DELIVERED]
        # Whoever has not been told by then never will be, and the judge will name it.
        with suppress(AssertionError):
            wait_until(
                lambda: all(_delivery(world, job_id) is DeliveryState.DELIVERED for job_id in told),
                what="who has recovered is told",
            )
            wait_until(lambda: not _left_over(world), what="the outbox is empty")
        assert courier.poll() is None
        _judge(world, receivers, jobs, [first, second, *cuts])


def _ask_all(world: World, receivers: Town, wanted: int) -> dict[str, str]:
    """Ask for as many explanations again, each with a webhook; return job → receiver."""
    hopeless = [n for n, end in receivers.ends.items() if end is not DeliveryState.DELIVERED]
    others = [name for name in receivers.urls if name not in hopeless]
    few = hopeless * min(HOPELESS, wanted // len(receivers.urls))
    names = few + list(islice(cycle(others), wanted - len(few)))
    world.chance.shuffle(names)

    def ask(number: int) -> str:
        time.sleep(random.Random(f"{names[number]} {number}").uniform(0, 0.2))
        request = json.dumps({"cache": False, "webhook": receivers.urls[names[number]]})
        return world.submitter.ask_aside(f"told-{number}", request=request)

    with ThreadPoolExecutor(8) as pool:
        return dict(zip(pool.map(ask, range(wanted)), names, strict=True))


def _kill_between_answer_and_report(
    world: World, receivers: Town, courier: Process
) -> tuple[Process, float]:
    """SIGKILL a courier that holds answers it has not noted down; return the next, and when."""
    thanks, seen = receivers.thanks("halting"), receivers.seen("halting")
    wait_until(
        lambda: receivers.thanks("halting") > thanks and receivers.seen("halting") > seen + 1,
        what="one post of a round is answered, and another is not",
    )
    world.kill(courier)
    killed = time.time()
    world.struck()
    return world.fleet.house.start_hasty_courier(), killed


def _cut_connections(world: World, receivers: Town) -> list[float]:
    cuts = []
    for _ in range(3):
        seen = receivers.seen("hanging")
        wait_until(lambda seen=seen: receivers.seen("hanging") > seen, what="a post is under way")
        assert world.client.client_kill_filter(_type="normal", skipme=True) > 0
        cuts.append(time.time())
        world.struck()
    return cuts


def _delivery(world: World, job_id: str) -> DeliveryState | None:
    record = world.ledger.read(job_id)
    return record.webhook.state if record and record.webhook else None


def _left_over(world: World) -> list[str]:
    return [str(key) for key in world.client.keys("seewhy:outbox*")] + [
        str(origin) for origin in world.client.hkeys("seewhy:couriers")
    ]


def _judge(world: World, receivers: Town, jobs: dict[str, str], blows: list[float]) -> None:
    def verify(message: Message) -> None:
        Webhook(SECRET).verify(message.body, dict(message.headers))

    records = world.records()
    heard = receivers.heard()
    verdict = judge(
        Tellings(
            asked=jobs,
            ends=receivers.ends,
            heard=heard,
            records=records,
            blows=blows,
            left_over=_left_over(world),
            verify=verify,
        )
    )
    told_s = {}
    for one in sorted((one for one in heard if one.thanked), key=lambda one: -one.message.at):
        told_s[one.job_id] = one.message.at - (records[one.job_id].finished_ms or 0) / 1000
    print(f"F28: {verdict} {len(heard)} posts, the slowest told after {max(told_s.values()):.1f} s")
    assert not verdict.amiss, str(verdict)
    assert verdict.again > 0, "no courier died between an answer and its report"
    assert not any(map(receivers.seen, NEVER_SENT_TO)), "who proves nothing was sent something"
    given_up = {r.job_id for r in world.ledger.outbox.list_undelivered()}
    hopeless = {j for j, n in jobs.items() if receivers.ends[n] is not DeliveryState.DELIVERED}
    assert given_up == hopeless
