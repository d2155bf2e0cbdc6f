"""The API dies during submissions and sweeps."""

from faults.environment import Environment
from faults.scenario import scenario
from servers.fault_counter import FaultCounter
from servers.faulty_api import STEPS
from servers.waiting import wait_until


@scenario("F16", "the API is killed after each step of a submission, then at random", load_s=6.0)
def kill_api_during_submissions(env: Environment) -> None:
    """Kill the API at every step, then at random moments."""
    env.kill_api()
    env.api.start_faulty_api()
    for step in STEPS:
        _await_death(env, step)
        env.record_fault()
    wait_until(env.api.is_ready, what="the API is ready again")
    for _ in range(3):
        env.pause(0, 0.5)
        env.kill_api()
        env.record_fault()
        env.api.start_api()


def _await_death(env: Environment, step: str) -> None:
    deaths = FaultCounter(env.api.counters, step)
    wait_until(lambda: deaths.count() > 0, what=f"the API died after step {step}")


@scenario(
    "F31",
    "two API processes sweep at once, one is killed, and workers are killed meanwhile",
    load_s=6.0,
    batch_ms=400,
    settings={"sweep_interval_s": 0.05, "lease_s": 1.0},
)
def sweep_concurrently(env: Environment) -> None:
    """Check that concurrent sweeps charge a worker's death once."""
    deaths = 3
    second = env.second_api.start_api()
    for death in range(deaths):
        wait_until(
            lambda: len(env.running_jobs()) >= env.settings.max_batch, what="a batch is running"
        )
        env.kill(env.workers[-1])
        if death == 1:
            env.pause(0.8, 1.2)
            env.kill(second)
        env.record_fault()
        env.workers.start(batch_ms=400 if death < deaths - 1 else 20)
    env.await_all_ended()
    for record in env.records().values():
        assert record.crashes <= deaths, "a death was charged twice"
        assert record.attempts <= record.crashes + 1, "an attempt was charged without a claim"
