"""The guards, how to disable each one, and the violation that must then be reported.

A fault detects most; where a test of the ledger or of one part does it at less cost, that test.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """A guard, the edit that disables it, and the fault or the test that must then fail."""

    guard: str
    file: str
    old: str
    new: str
    fault: str
    """The name of a fault, or the path of a test from the folder `tests`."""
    seen: str
    """A regular expression that the output of the failing run matches."""
    patience_s: float = 15.0
    """The longest wait that the fault needs with every guard in place."""
    quick: bool = False
    """Whether `make test` includes it."""

    @property
    def is_test(self) -> bool:
        """Whether a test detects it, not a fault."""
        return "::" in self.fault


LUA = "core/seewhy/ledger/lua"
BATCHES = "contract/test_batches.py"
ACCEPTOR = "unit/test_batch_acceptor.py"
LISTING = "unit/test_batch_listing.py"
RUNNER = "unit/pipeline/test_batch_runner.py"
MUTATIONS = (
    Mutation(
        guard="sweep",
        file="api/seewhy_api/background/sweeper.py",
        old="self.recover, self.sweep, self.archive,",
        new="self.recover, self.archive,",
        fault="F21",
        seen=r"lost: \S+ still running",
        quick=True,
    ),
    Mutation(
        guard="due time of running jobs",
        file=f"{LUA}/claims/claim.lua",
        old="redis.call('ZADD', DUE, now + settings.lease_ms, id)",
        new="redis.call('ZREM', DUE, id)",
        fault="F17",
        seen=r"I1: not in {seewhy}:due",
        quick=True,
    ),
    Mutation(
        guard="fence",
        file=f"{LUA}/shared/records.lua",
        old="and tonumber(fence) == claim.fence",
        new="",
        fault="F22",
        seen=r"finished under a stale fence",
        quick=True,
    ),
    Mutation(
        guard="renewal of leases",
        file="worker/seewhy_worker/pipeline/leases.py",
        old="if not claims:",
        new="if True:",
        fault="F23",
        seen=r"a lease expired under a running worker",
        quick=True,
    ),
    Mutation(
        guard="charge per attempt",
        file=f"{LUA}/claims/claim.lua",
        old="redis.call('HINCRBY', job_key(id), 'attempts', 1)",
        new="0",
        fault="F6",
        seen=r"ran without a charged attempt",
        quick=True,
        patience_s=30.0,
    ),
    Mutation(
        guard="evidence of an exposed crash",
        file=f"{LUA}/maintenance/sweep.lua",
        old="redis.call('HINCRBY', job_key(id), 'exposed_crashes', 1)",
        new="0",
        fault="F6",
        seen=r"4 workers died: \[-9, -9, -9, -9\]",
        quick=True,
        patience_s=30.0,
    ),
    Mutation(
        guard="manifest",
        file="core/seewhy/jobs/submission.py",
        old="self._store.put(key, manifest.model_dump_json().encode()",
        new="(lambda *_, **__: None)(key, b''",
        fault="F25",
        seen=r"lost: \S+ not in the ledger",
        quick=True,
    ),
    Mutation(
        guard="idempotency key",
        file=f"{LUA}/submission/reserve.lua",
        old="idempotency_key(args.key.digest)",
        new="idempotency_key(args.job_id)",
        fault="F17",
        seen=r"one key, two jobs",
        quick=True,
    ),
    Mutation(
        guard="exposure of a quarantined job",
        file="worker/seewhy_worker/pipeline/fetch.py",
        old="self._exposure.begin(claim)",
        new="",
        fault="F8",
        seen=r"4 workers died: \[-11, -11, -11, -11\]",
        patience_s=30.0,
    ),
    Mutation(
        guard="no evidence without exposure",
        file=f"{LUA}/maintenance/sweep.lua",
        old="if exposed then",
        new="if true then",
        fault="F37",
        seen=r"an innocent job failed",
        patience_s=60.0,
    ),
    Mutation(
        guard="end of the exposure",
        file="worker/seewhy_worker/pipeline/publish.py",
        old="self._exposure.end(claim)",
        new="",
        fault="F37",
        seen=r"an innocent job failed",
        patience_s=60.0,
    ),
    Mutation(
        guard="quarantine",
        file=f"{LUA}/maintenance/sweep.lua",
        old="redis.call('HSET', job_key(id), 'quarantined', 1)",
        new="",
        fault="F7",
        seen=r"7 workers died",
        # Seven workers die in turn.
        patience_s=60.0,
    ),
    Mutation(
        guard="end of a job at a checkpoint",
        file="worker/seewhy_worker/pipeline/device_stage.py",
        old="raise Interrupted",
        new="pass",
        fault="F39",
        seen=r"\S+ has ended: not within",
    ),
    Mutation(
        guard="turns of the device",
        file="worker/seewhy_worker/pipeline/turns.py",
        old="self._queue.rotate(-1)",
        new="",
        fault="F39",
        seen=r"the other jobs have succeeded: not within",
    ),
    Mutation(
        guard="release of claims at SIGTERM",
        file="worker/seewhy_worker/pipeline/device_stage.py",
        old="self._deps.reporter.release([job.claim for job in batch])",
        new="pass",
        fault="F3",
        seen=r"a stopped worker charged an attempt",
    ),
    Mutation(
        guard="handling of MemoryError",
        file="worker/seewhy_worker/app.py",
        old="except MemoryError:",
        new="except KeyError:",
        fault="F9",
        seen=r"every MemoryError was raised: not within",
    ),
    Mutation(
        guard="watchdog",
        file="worker/seewhy_worker/pipeline/watchdog.py",
        old="faulthandler.dump_traceback_later(self._timeout_s, exit=True, file=_STDERR)",
        new="pass",
        fault="F10",
        seen=r"the worker has exited: not within",
    ),
    Mutation(
        guard="one map per image",
        file="worker/seewhy_worker/pipeline/device.py",
        old="if len(explanations) != len(tasks):",
        new="if False:",
        fault="F11",
        seen=r"every job has ended: not within|a healthy job failed|a whole batch was retried",
    ),
    Mutation(
        guard="reduction of the batch size",
        file="worker/seewhy_worker/pipeline/device.py",
        old="self.max_batch = min(self.max_batch, half)",
        new="",
        fault="F12",
        seen=r"the batch size was not reduced",
    ),
    Mutation(
        guard="finality of outcomes",
        file=f"{LUA}/shared/finish.lua",
        old="""  if not is_open(state) then return end
  redis.call('HSET', job_key(id), 'cancel_requested', 1)
  if state == 'queued' then finish""",
        new="  if true then finish",
        fault="F32",
        seen=r"two outcomes",
    ),
    Mutation(
        guard="replay of missed events",
        file="api/seewhy_api/streaming/event_feed.py",
        old="return tuple(reversed(missed))",
        new="return ()",
        fault="F29",
        seen=r"[0-9a-f]{8}-[0-9a-f-]{27}: received ",
    ),
    Mutation(
        guard="retry after broker refusals",
        file="core/seewhy/broker/wakeups.py",
        old="broker_channel_error_retry=True",
        new="broker_channel_error_retry=False",
        fault="F33",
        patience_s=50.0,
        seen=r"every job has ended: not within",
    ),
    Mutation(
        guard="uncharged store outages",
        file="worker/seewhy_worker/pipeline/outcome_reporter.py",
        old="return store_failures",
        new="return []",
        fault="F20",
        seen=r"a store outage failed \d+ jobs",
    ),
    Mutation(
        guard="fair queueing of tenants",
        file=f"{LUA}/shared/queues.lua",
        old="redis.call('ZADD', virtual_time_key(lane), 'XX', 'INCR', cost, tenant)",
        new="",
        fault="F34",
        seen=r"jobs overtook one",
    ),
    Mutation(
        guard="queue limit per tenant",
        file=f"{LUA}/shared/admission.lua",
        old="if of_tenant >= settings.tenant_limit then",
        new="if false then",
        fault="F34",
        seen=r"the first tenant was refused: not within",
    ),
    Mutation(
        guard="record of a delivery",
        file=f"{LUA}/outbox/report.lua",
        old="redis.call('ZREM', rows, id)",
        new="",
        fault="F28",
        seen=r"redelivered without cause: msg_",
    ),
    Mutation(
        guard="redelivery after a crash",
        file=f"{LUA}/outbox/lease_origin.lua",
        old="redis.call('ZADD', rows, expires, id)",
        new="redis.call('ZREM', rows, id)",
        fault="F28",
        seen=r"every receiver got a request: not within|not delivered to a receiver that recovered",
    ),
    Mutation(
        guard="address check",
        file="api/seewhy_api/outgoing/address_policy.py",
        old="if is_allowed(address, networks):",
        new="if True:",
        fault="F28",
        seen=r"wrong delivery state: \S+ to forbidden is delivered",
    ),
    Mutation(
        guard="certificate check",
        file="api/seewhy_api/outgoing/exchange.py",
        old="self._ssl_context = ssl_context or _system_context()",
        new="self._ssl_context = ssl._create_unverified_context()",
        fault="F28",
        seen=r"wrong delivery state: \S+ to untrusted is delivered",
    ),
    Mutation(
        guard="identical body per attempt",
        file="api/seewhy_api/webhooks/payload.py",
        old="**serialize_summary(record),",
        new='**serialize_summary(record) | {"attempts": record.webhook.attempts},',
        fault="F28",
        seen=r"different body under the same id",
    ),
    Mutation(
        guard="manifest of a batch",
        file="core/seewhy/batches/batch_service.py",
        old="self._documents.write_manifest(BatchManifest(format=1, submission=submission))",
        new="",
        fault=f"{ACCEPTOR}::test_a_loss_while_accepting_loses_no_item_and_changes_no_outcome",
        seen=r"assert value is not None",
    ),
    Mutation(
        guard="outcomes of the items of a lost batch",
        file="core/seewhy/jobs/rebuild.py",
        old="yield folder.candidates_of(items)",
        new="yield []",
        fault=f"{ACCEPTOR}::test_a_loss_while_accepting_loses_no_item_and_changes_no_outcome",
        seen=r"assert \(batch.state, batch.failed",
    ),
    Mutation(
        guard="outcome of a batch that had ended",
        file="core/seewhy/jobs/rebuild.py",
        old="if batch_id in folder.outcomes:",
        new="if False:",
        fault=f"{ACCEPTOR}::test_an_ended_batch_is_the_same_after_a_loss",
        seen=r"BatchState.ACCEPTING",
    ),
    Mutation(
        guard="lease of a batch",
        file=f"{LUA}/batches/lease.lua",
        old="redis.call('ZADD', BATCHES_DUE, now + args.lease_ms, id)",
        new="",
        fault=f"{BATCHES}::test_one_acceptor_holds_a_batch_until_its_lease_ends",
        seen=r"assert BatchRecord\(.* is None",
        quick=True,
    ),
    Mutation(
        guard="holder of the lease of a batch",
        file=f"{LUA}/shared/batches.lua",
        old="return redis.call('HGET', batch_key(id), 'acceptor') == owner\n    and",
        new="return",
        fault=f"{BATCHES}::test_one_acceptor_holds_a_batch_until_its_lease_ends",
        seen=r"held: True != False",
    ),
    Mutation(
        guard="one job for each item of a batch",
        file=f"{LUA}/batches/submit_many.lua",
        old="elseif redis.call('EXISTS', job_key(item.job_id)) == 0 then",
        new="else",
        fault=f"{BATCHES}::test_a_restored_batch_counts_jobs_that_had_ended_and_submits_the_others",
        seen=r"assert \{.queued.: 3",
        quick=True,
    ),
    Mutation(
        guard="counts of a batch",
        file=f"{LUA}/shared/batches.lua",
        old="if from then redis.call('HINCRBY', batch_key(batch), from, -1) end",
        new="",
        fault=f"{BATCHES}::test_a_batch_counts_its_jobs_in_every_state_until_it_is_finished",
        seen=r"assert \{'queued': 4",
    ),
    Mutation(
        guard="end of a batch after its last job",
        file=f"{LUA}/shared/finish.lua",
        old="if state ~= 'running' or tonumber(queued or 0) + tonumber(running or 0) > 0 then",
        new="if state ~= 'running' then",
        fault=f"{BATCHES}::test_a_batch_counts_its_jobs_in_every_state_until_it_is_finished",
        seen=r"BatchState.FINISHED",
    ),
    Mutation(
        guard="idempotency key of a batch",
        file=f"{LUA}/batches/create.lua",
        old="if args.key then bind_key(args.key, id, settings.idempotency_ttl_ms) end",
        new="",
        fault=f"{BATCHES}::test_a_batch_with_the_same_key_is_accepted_once",
        seen=r"ReservationStatus.BUSY",
    ),
    Mutation(
        guard="lease before a chunk is replaced",
        file="core/seewhy/batches/acceptor.py",
        old="self._renew(batch.batch_id)  # another",
        new="pass  # another",
        fault=f"{ACCEPTOR}::test_a_process_that_lost_its_lease_does_not_replace_a_chunk",
        seen=r"assert False",
    ),
    Mutation(
        guard="chunks that were listed before",
        file="core/seewhy/batches/listing.py",
        old="while stored := self._stored(batch_id, number):",
        new="while stored := None:",
        fault=f"{LISTING}::test_a_listing_continues_after_a_loss_of_redis",
        seen=r"the first chunk was listed already",
    ),
    Mutation(
        guard="lease before a chunk is listed",
        file="core/seewhy/batches/listing.py",
        old="            before_writing()\n",
        new="",
        fault=f"{LISTING}::test_a_process_without_the_lease_writes_no_chunk",
        seen=r"items-0\.json",
    ),
    Mutation(
        guard="retry of failed items alone",
        file="core/seewhy/batches/batch_service.py",
        old="record.state in {JobState.FAILED, JobState.EXPIRED}",
        new="record.state.terminal",
        fault="integration/test_batch_routes.py"
        "::test_failed_items_of_an_ended_batch_run_again_in_a_new_batch",
        seen=r"assert 4 == 2",
    ),
    Mutation(
        guard="record of the cancellation of a batch",
        file="api/seewhy_api/routes/batches.py",
        old="deps.batches.documents.write_cancellation(batch_id)",
        new="pass",
        fault="integration/test_batch_routes.py"
        "::test_a_cancelled_batch_stays_cancelled_after_a_loss_of_redis",
        seen=r"'running', 0\)|assert \('running'",
    ),
    Mutation(
        guard="limit of what an archive unpacks to",
        file="core/seewhy/batches/archive_items.py",
        old="if sum(sizes) > limits.max_unpacked_bytes:",
        new="if False:",
        fault="unit/test_archive_items.py::test_files_unpack_to_a_limited_size_together",
        seen=r"DID NOT RAISE",
    ),
    Mutation(
        guard="result of a lost claim",
        file="worker/seewhy_worker/pipeline/publish.py",
        old="if not claim.may_have_result:",
        new="if True:",
        fault=f"{RUNNER}::test_a_job_whose_success_was_lost_does_not_run_again",
        seen=r"each job has run once",
    ),
    Mutation(
        guard="archived outcome of an open job",
        file="core/seewhy/jobs/rebuild.py",
        old="if record.state.terminal or not (candidate.archived or record.attempts):",
        new="if True:",
        fault="unit/test_rebuild.py::test_an_open_job_with_an_archived_outcome_ends_with_it",
        seen=r"Counter\(\) == ",
    ),
    Mutation(
        guard="fence above lost claims",
        file=f"{LUA}/claims/claim.lua",
        old="if not is_old or fence >= now then",
        new="if true then",
        fault="contract/test_lost_outcomes.py::"
        "test_a_job_from_before_a_possible_loss_may_have_a_result",
        seen=r"\(True, 1\) == ",
    ),
)
