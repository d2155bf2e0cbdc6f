"""The guards, how each is switched off, and what has to be seen then."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """One guard, how to switch it off, and what has to be said then of which fault."""

    guard: str
    file: str
    old: str
    new: str
    fault: str
    seen: str
    """A regular expression for the judge's or the scenario's own words."""
    patience_s: float = 15.0
    """What the fault needs at most when nothing is switched off."""
    quick: bool = False
    """Whether `make test` tries it, too."""


LUA = "core/seewhy/ledger/lua"
MUTATIONS = (
    Mutation(
        guard="the sweep",
        file="api/seewhy_api/background/sweeper.py",
        old="self.recover, self.sweep, self.file,",
        new="self.recover, self.file,",
        fault="F21",
        seen=r"lost: \S+ still running",
        quick=True,
    ),
    Mutation(
        guard="jobs at work stay due",
        file=f"{LUA}/claim.lua",
        old="redis.call('ZADD', DUE, now + policy.lease_ms, id)",
        new="redis.call('ZREM', DUE, id)",
        fault="F17",
        seen=r"I1: not in seewhy:due",
        quick=True,
    ),
    Mutation(
        guard="the fence",
        file=f"{LUA}/complete.lua",
        old="and field(id, 'fence') == ARGV[n + 1] then",
        new="then",
        fault="F22",
        seen=r"finished by a claim that was lost",
        quick=True,
    ),
    Mutation(
        guard="the renewal of leases",
        file="worker/seewhy_worker/pipeline/leases.py",
        old="if not claims:",
        new="if True:",
        fault="F23",
        seen=r"a lease ran out under a living worker",
        quick=True,
    ),
    Mutation(
        guard="the charge for an attempt",
        file=f"{LUA}/claim.lua",
        old="redis.call('HINCRBY', job_key(id), 'attempts', 1)",
        new="0",
        fault="F6",
        seen=r"4 workers died: \[-9, -9, -9, -9\]",
        quick=True,
    ),
    Mutation(
        guard="the manifest",
        file="core/seewhy/jobs/submission.py",
        old="self._store.put(key, manifest.model_dump_json().encode()",
        new="(lambda *_, **__: None)(key, b''",
        fault="F25",
        seen=r"lost: \S+ unknown to the ledger",
        quick=True,
    ),
    Mutation(
        guard="the idempotency key",
        file="core/seewhy/jobs/submit_service.py",
        old="IdempotencyKey(key, order.digest) if key else None",
        new="None",
        fault="F17",
        seen=r"one key, two jobs",
        quick=True,
    ),
    Mutation(
        guard="quarantine",
        file=f"{LUA}/sweep.lua",
        old="redis.call('HSET', job_key(id), 'alone', 1)",
        new="",
        fault="F7",
        seen=r"an innocent job failed",
    ),
    Mutation(
        guard="giving back at SIGTERM",
        file="worker/seewhy_worker/pipeline/batch_runner.py",
        old="self._tell(lambda: self._at.ledger.release([ready.claim for ready in batch]))",
        new="pass",
        fault="F3",
        seen=r"a worker that was asked to stop cost somebody an attempt",
    ),
    Mutation(
        guard="catching MemoryError",
        file="worker/seewhy_worker/app.py",
        old="except MemoryError:",
        new="except KeyError:",
        fault="F9",
        seen=r"every strike has fallen: not within",
    ),
    Mutation(
        guard="the watchdog",
        file="worker/seewhy_worker/pipeline/watchdog.py",
        old="faulthandler.dump_traceback_later(self._timeout_s, exit=True, file=_STDERR)",
        new="pass",
        fault="F10",
        seen=r"the worker has ended: not within",
    ),
    Mutation(
        guard="one map for each picture",
        file="worker/seewhy_worker/pipeline/device.py",
        old="if len(explained) != len(pictures):",
        new="if False:",
        fault="F11",
        seen=r"every job has ended: not within|an innocent job failed|a whole batch was tried",
    ),
    Mutation(
        guard="smaller batches",
        file="worker/seewhy_worker/pipeline/device.py",
        old="self.max_batch = max(1, min(self.max_batch, len(pictures) // 2))",
        new="",
        fault="F12",
        seen=r"the batches were not made smaller",
    ),
    Mutation(
        guard="an outcome stays",
        file=f"{LUA}/cancel.lua",
        old="if state == 'queued' then",
        new="if true then",
        fault="F32",
        seen=r"two outcomes",
    ),
    Mutation(
        guard="what a listener missed",
        file="api/seewhy_api/streaming/event_feed.py",
        old="return tuple(reversed(missed))",
        new="return ()",
        fault="F29",
        seen=r"[0-9a-f]{8}-[0-9a-f-]{27}: heard ",
    ),
    Mutation(
        guard="workers outlive refusals",
        file="core/seewhy/broker/wakeups.py",
        old="broker_channel_error_retry=True",
        new="broker_channel_error_retry=False",
        fault="F33",
        patience_s=50.0,
        seen=r"every job has ended: not within",
    ),
    Mutation(
        guard="outages of the store are free",
        file="worker/seewhy_worker/pipeline/batch_runner.py",
        old="return spoilt",
        new="return []",
        fault="F20",
        seen=r"an outage of the store cost \d+ jobs their outcome",
    ),
    Mutation(
        guard="the turns of tenants",
        file=f"{LUA}/queues.lua",
        old="redis.call('ZINCRBY', turns_key(lane), 1, tenant)",
        new="",
        fault="F34",
        seen=r"jobs went before one",
    ),
    Mutation(
        guard="the limit of a queue",
        file=f"{LUA}/room.lua",
        old="if of_tenant >= policy.tenant_limit then",
        new="if false then",
        fault="F34",
        seen=r"the greedy one was sent away: not within",
    ),
    Mutation(
        guard="the note of a delivery",
        file=f"{LUA}/report.lua",
        old="redis.call('ZREM', rows_key(origin), id)",
        new="",
        fault="F28",
        seen=r"told again for no reason: msg_",
    ),
    Mutation(
        guard="rows outlive a courier",
        file=f"{LUA}/lease_origin.lua",
        old="redis.call('ZADD', rows_key(origin), now + policy.turn_ms, id)",
        new="redis.call('ZREM', rows_key(origin), id)",
        fault="F28",
        seen=r"every receiver was tried: not within|never told, though its receiver recovered",
    ),
    Mutation(
        guard="the check of addresses",
        file="api/seewhy_api/webhooks/address_policy.py",
        old="if is_allowed(address, networks):",
        new="if True:",
        fault="F28",
        seen=r"the ledger says otherwise: \S+ to forbidden is delivered",
    ),
    Mutation(
        guard="the check of certificates",
        file="api/seewhy_api/webhooks/client.py",
        old="self._trust = trust or httpcore2.default_ssl_context()",
        new="self._trust = ssl._create_unverified_context()",
        fault="F28",
        seen=r"the ledger says otherwise: \S+ to unknown is delivered",
    ),
    Mutation(
        guard="one body at every attempt",
        file="api/seewhy_api/webhooks/payload.py",
        old="**headline(record),",
        new='**headline(record) | {"attempts": record.webhook.attempts},',
        fault="F28",
        seen=r"another body under the same id",
    ),
)
