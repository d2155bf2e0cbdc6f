"""Redis is killed, silent, full or empty."""

import os
import resource
import signal

from faults.environment import Environment
from faults.scenario import scenario
from servers.waiting import wait_until


@scenario("F13", "Redis is killed and restarted on its append-only file, twice")
def restart_redis(env: Environment) -> None:
    """Kill and restart Redis under load."""
    for _ in range(2):
        env.await_progress(1)
        env.pause(0, 0.3)
        env.valkey.kill()
        env.pause(0, 0.5)
        env.valkey.start()
    env.record_fault()


@scenario("F14", "Redis is down while clients submit")
def stop_redis(env: Environment) -> None:
    """Check that submissions are refused with 503."""
    env.await_accepted(len(env.submitter.keys) // 4)
    env.valkey.kill()
    wait_until(lambda: env.submitter.statuses[503] >= 5, what="submissions were refused")
    accepted = len(env.submissions)
    env.pause(0.5, 1.5)
    assert len(env.submissions) == accepted, "a job was accepted without a ledger"
    env.valkey.start()
    env.record_fault()


@scenario("F17", "the ledger's response to a submission is lost, and the client retries")
def lose_submit_responses(env: Environment) -> None:
    """Lose responses once, which the API's retry hides, and more often, which clients see."""
    for _ in range(5):
        env.await_accepted(min(len(env.submissions) + 1, len(env.submitter.keys)))
        times = env.rng.randint(1, 4)
        env.api_redis_proxy.cut(down_bytes=0, marker=env.submit_marker, times=times)
        wait_until(
            lambda: env.api_redis_proxy.cuts_left == 0 or env.all_accepted(),
            what="responses were lost",
        )
    env.api_redis_proxy.heal()
    env.record_fault()
    assert env.api_redis_proxy.cuts > 0


@scenario("F18", "all connections to Redis are killed while jobs run", batch_ms=200)
def kill_redis_connections(env: Environment) -> None:
    """Close all connections, five times."""
    for _ in range(5):
        env.await_running()
        assert env.redis.client_kill_filter(_type="normal", skipme=True) > 0
        env.pause(0.1, 0.5)
    env.record_fault()


@scenario("F19", "Redis is silent: a black hole, then a suspended server", load_s=5.0)
def silence_redis(env: Environment) -> None:
    """Drop all bytes, leave connections half-open, then suspend the server."""
    proxies = (env.api_redis_proxy, env.worker_redis_proxy)
    env.await_progress(1)
    for proxy in proxies:
        proxy.black_hole()
    env.pause(3, 6)
    for proxy in proxies:
        proxy.half_open()
    env.record_fault()
    env.await_progress(1)
    pid = env.valkey.pid
    os.kill(pid, signal.SIGSTOP)
    env.pause(2, 5)
    os.kill(pid, signal.SIGCONT)
    env.record_fault()


@scenario("F24", "Redis is out of memory and evicts nothing", load_s=5.0)
def fill_redis_memory(env: Environment) -> None:
    """Check that submissions are refused, accepted jobs go on, and no key is evicted."""
    env.await_accepted(len(env.submitter.keys) // 4)
    used = int(env.redis.info("memory")["used_memory"])
    env.redis.config_set("maxmemory", used + 50_000)
    wait_until(lambda: env.submitter.statuses[503] >= 5, what="submissions were refused")
    wait_until(lambda: env.ledger.counts().non_terminal == 0, what="accepted jobs ended")
    env.redis.config_set("maxmemory", 0)
    env.record_fault()
    env.await_all_ended()
    assert env.redis.info("stats")["evicted_keys"] == 0


@scenario("F25", "Redis loses everything, twice", load_s=5.0)
def flush_redis(env: Environment) -> None:
    """Check that the ledger is rebuilt from the object store."""
    for part in (1, 2):
        env.await_accepted(part * len(env.submitter.keys) // 4)
        env.pause(0, 0.5)
        before = len(env.records())
        env.flush_redis()
        env.record_fault()
        wait_until(lambda: bool(env.redis.exists("{seewhy}:epoch")), what="the ledger is rebuilt")
        assert len(env.records()) >= before > 0
    assert env.api.read_log("api").count("Redis lost all") == 2


@scenario("F38", "a script holds Redis, which answers BUSY", load_s=5.0, batch_ms=200)
def hold_redis(env: Environment) -> None:
    """Check that it counts as an outage, and that no finished work is lost."""
    env.await_accepted(len(env.submitter.keys) // 4)
    with env.valkey.held_by_a_script():
        wait_until(lambda: env.submitter.statuses[503] >= 5, what="submissions were refused")
        env.pause(0.5, 1.5)
    env.record_fault()
    env.await_all_ended()
    assert not env.submitter.statuses[500], "an outage was taken for a mistake in the program"


@scenario("F33", "the disk is full, and Redis cannot write its append-only file", load_s=5.0)
def fill_disk(env: Environment) -> None:
    """Check that nothing is accepted that Redis cannot persist."""
    env.await_accepted(len(env.submitter.keys) // 4)
    pid = env.valkey.pid
    (file,) = (env.valkey.directory / "appendonlydir").glob("*.incr.aof")
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    limit_bytes = file.stat().st_size + env.rng.randint(0, 20_000)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit_bytes, unlimited[1]))
    wait_until(lambda: env.submitter.statuses[503] >= 5, what="submissions were refused")
    accepted = len(env.submissions)
    env.pause(0.5, 1.5)
    assert len(env.submissions) == accepted, "a job was accepted that is not on disk"
    resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)
    env.record_fault()
    env.await_all_ended()
    assert "MISCONF" in env.api.read_log("api")
    env.valkey.kill()
    env.valkey.start()
