"""The API dies in the middle of accepting, and of sweeping."""

from faults.scenario import scenario
from faults.world import World
from servers.faulty_api import STEPS
from servers.marks import Marks
from servers.waiting import wait_until


@scenario("F16", "the API is killed after each step of accepting a job, then at random", over_s=6.0)
def kill_the_api_while_it_accepts(world: World) -> None:
    world.kill_api()
    world.api.start_faulty_api()
    for step in STEPS:
        struck = Marks(world.api.marks, step)
        wait_until(lambda struck=struck: struck.count() > 0, what=f"it died after the {step}")
        world.struck()
    wait_until(world.api.ready, what="the API is ready again")
    for _ in range(3):
        world.pause(0, 0.5)
        world.kill_api()
        world.struck()
        world.api.start_api()


@scenario(
    "F31",
    "two API processes sweep at once, one is killed, and workers die meanwhile",
    over_s=6.0,
    batch_ms=400,
    settings={"sweep_interval_s": 0.05, "lease_s": 1.0},
)
def sweep_twice(world: World) -> None:
    deaths = 3
    second = world.second.start_api()
    for death in range(deaths):
        world.await_running()
        world.kill(world.fleet[-1])
        if death == 1:
            world.pause(0.8, 1.2)
            world.kill(second)
        world.struck()
        world.fleet.start(batch_ms=400 if death < deaths - 1 else 20)
    world.await_all()
    for record in world.records().values():
        assert record.crashes <= deaths, "one death was charged twice"
        assert record.attempts <= record.crashes + 1, "an attempt was charged for nothing"
