"""Pictures that kill, break or confuse the worker that gets them."""

import json
import signal

from faults.scenario import scenario
from faults.world import World
from seewhy.schemas.result import Verdict
from servers.poison import Poison
from servers.waiting import wait_until


@scenario(
    "F6",
    "a picture kills its worker, in a batch of its own",
    workers=0,
    poisons=[Poison.KILL],
    settings={"max_batch": 1, "lease_s": 1.0},
)
def poison_a_worker(world: World) -> None:
    times = world.settings.max_attempts
    deaths = world.fleet.supervise(world.ended, fault="none", died=world.struck, at_most=times)
    assert deaths == [-signal.SIGKILL] * times
    assert world.failed() == set(world.doomed), "an innocent job failed"


@scenario(
    "F7",
    "two pictures kill their worker, in batches of eight",
    workers=0,
    poisons=[Poison.KILL] * 2,
    settings={"max_batch": 8, "lease_s": 1.0},
)
def poison_full_batches(world: World) -> None:
    _die_with_others_in_flight(world, signal.SIGKILL)


@scenario(
    "F8",
    "the decoder crashes over a picture, and takes the worker along",
    workers=0,
    poisons=[Poison.SEGFAULT],
    settings={"max_batch": 8, "lease_s": 1.0},
)
def crash_the_decoder(world: World) -> None:
    _die_with_others_in_flight(world, signal.SIGSEGV)


def _die_with_others_in_flight(world: World, death: signal.Signals) -> None:
    world.await_promises(len(world.submitter.keys))
    attempts = world.settings.max_attempts
    deaths = world.fleet.supervise(
        world.ended, fault="none", died=world.struck, at_most=attempts * len(world.doomed)
    )
    assert set(deaths) == {-death}
    assert len(deaths) >= attempts
    assert world.failed() == set(world.doomed), "an innocent job failed"
    crashes = [record.crashes for record in world.records().values()]
    assert any(0 < count < attempts for count in crashes), "nobody was in flight beside it"
    assert sum(count == attempts for count in crashes) == len(world.doomed)


@scenario(
    "F11",
    "the explainer raises for one of eight, leaves one out, and makes NaN of a third",
    workers=0,
    poisons=[Poison.RAISE, Poison.SHORT, Poison.NAN],
    settings={"max_batch": 8},
)
def upset_the_explainer(world: World) -> None:
    world.await_promises(len(world.submitter.keys))
    worker = world.fleet.start(fault="none", batch_ms=20)
    wait_until(lambda: "failed on 8 picture(s)" in world.fleet.house.log("worker"), what="a batch")
    world.await_all()
    world.struck()
    assert worker.poll() is None
    assert world.failed() == set(world.doomed), "an innocent job failed"
    records = world.records().values()
    assert {record.attempts for record in records} == {1}, "a whole batch was tried again"
    results = [json.loads(record.result) for record in records if record.result]
    verdicts = [result["targets"][0]["verdict"] for result in results]
    assert verdicts.count(Verdict.NOT_FINITE) == 1
