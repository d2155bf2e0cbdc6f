"""An autoscaler starts and stops workers."""

import signal
import time

from faults.environment import Environment
from faults.scenario import scenario
from seewhy.capacity.autoscaling import Autoscaler, AutoscalerPolicy, Behavior
from seewhy.ledger.types import PASS_COST
from servers.process_cluster import Process
from servers.waiting import wait_until

MOST = 4
SPEEDUP = 75
PERIOD_S = 15 / SPEEDUP
"""The HPA decides every 15 s."""


@scenario(
    "F44",
    "an autoscaler follows the backlog from one worker to four and back to one",
    workers=1,
    batch_ms=300,
    load_s=1.0,
    min_jobs=150,
    settings={"lease_s": 10.0},
)
def follow_backlog(env: Environment) -> None:
    """Check that scaling in charges no attempt. Times are those of the chart, sped up."""
    behavior = Behavior().sped_up(SPEEDUP)
    scaler = Autoscaler(AutoscalerPolicy(target=12, max_workers=MOST, behavior=behavior))
    running: list[Process] = list(env.workers)
    stopping: list[Process] = []
    counts = [len(running)]
    next_s = time.monotonic()

    def step() -> bool:
        nonlocal next_s
        if (now_s := time.monotonic()) < next_s:
            return False
        next_s = now_s + PERIOD_S
        wanted = scaler.decide(now_s, backlog=_backlog(env), workers=len(running))
        while len(running) < wanted:
            running.append(env.workers.launch(batch_ms=300))
        while len(running) > wanted:
            stopping.append(running.pop())
            stopping[-1].terminate()
        counts.append(len(running))
        return env.all_ended() and counts[-1] == 1

    wait_until(step, what="all jobs have ended, and one worker is left", limit_s=120)
    env.record_fault()
    assert max(counts) == MOST, f"the numbers of workers: {counts}"
    # A worker that is stopped while Python still starts has no handler of the signal yet.
    statuses = {env.workers.wait_for_exit(worker) for worker in stopping}
    assert statuses <= {0, -signal.SIGTERM}, f"exit statuses of stopped workers: {statuses}"
    charged = {(record.attempts, record.crashes) for record in env.records().values()}
    assert charged == {(1, 0)}, "a stopped worker charged an attempt"


def _backlog(env: Environment) -> float:
    """Evaluate the query of the chart's ScaledObject, with the backlog in forward passes."""
    lanes = env.ledger.status().lanes.values()
    passes = sum(lane.ready_cost + lane.running_cost for lane in lanes) / PASS_COST
    return passes + (sum(lane.ready for lane in lanes) > 0)
