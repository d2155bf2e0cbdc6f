"""The object store is slow, broken and silent."""

from faults.scenario import scenario
from faults.world import World


@scenario("F20", "the object store is slow, resets, truncates and falls silent", on_s3=True)
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
    world.struck()
