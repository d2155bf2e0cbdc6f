"""The object store is slow, faulty, silent or down."""

from faults.environment import Environment
from faults.scenario import scenario
from seewhy.schemas.job import JobState
from servers.waiting import wait_until


@scenario(
    "F20",
    "the object store is slow, resets, truncates, is silent, and is down for ten seconds",
    load_s=5.0,
    on_s3=True,
)
def break_store(env: Environment) -> None:
    """Check that no job fails because of the store."""
    store = env.store_proxy
    assert store is not None
    faults = [
        lambda: store.slow(delay_s=0.05),
        lambda: store.cut(down_bytes=env.rng.randint(0, 300), times=8),
        lambda: store.cut(up_bytes=env.rng.randint(0, 1500), times=8),
        store.reset,
        store.half_open,
        store.black_hole,
    ]
    env.rng.shuffle(faults)
    for fault in faults:
        fault()
        env.pause(0.2, 0.8)
        store.heal()
        env.await_progress(2)
    _long_outage(env)
    env.record_fault()
    env.await_all_ended()
    failed = [r for r in env.records().values() if r.state is JobState.FAILED]
    assert not failed, f"a store outage failed {len(failed)} jobs"


def _long_outage(env: Environment) -> None:
    """Stop the store for longer than a job's attempts would last if they were charged."""
    store = env.store_proxy
    assert store is not None
    env.await_running()
    store.refuse()
    refused = env.submitter.statuses[503]
    wait_until(
        lambda: env.all_accepted() or env.submitter.statuses[503] > refused,
        what="submissions were refused",
    )
    env.pause(8, 12)
    store.heal()
