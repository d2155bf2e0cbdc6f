"""The object store is slow, broken, silent and away."""

from faults.scenario import scenario
from faults.world import World
from seewhy.schemas.job import JobState
from servers.waiting import wait_until


@scenario(
    "F20",
    "the object store is slow, resets, truncates, falls silent and is away for long",
    over_s=5.0,
    on_s3=True,
)
def break_the_store(world: World) -> None:
    store = world.store_port
    assert store is not None
    faults = [
        lambda: store.slow(delay_s=0.05),
        lambda: store.cut(down_bytes=world.chance.randint(0, 300), times=8),
        lambda: store.cut(up_bytes=world.chance.randint(0, 1500), times=8),
        store.reset,
        store.half_open,
        store.black_hole,
    ]
    world.chance.shuffle(faults)
    for fault in faults:
        fault()
        world.pause(0.2, 0.8)
        store.pass_on()
        world.await_progress(2)
    _take_away_for_long(world)
    world.struck()
    world.await_all()
    failed = [r for r in world.records().values() if r.state is JobState.FAILED]
    assert not failed, f"an outage of the store cost {len(failed)} jobs their outcome"


def _take_away_for_long(world: World) -> None:
    """Longer than a job's attempts would last, had each of them been charged."""
    store = world.store_port
    assert store is not None
    world.await_running()
    store.refuse()
    refused = world.submitter.statuses[503]
    wait_until(
        lambda: world.all_promised() or world.submitter.statuses[503] > refused,
        what="the outage is felt",
    )
    world.pause(8, 12)
    store.pass_on()
