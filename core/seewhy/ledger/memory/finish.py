"""How a job of the in-memory ledger gets its outcome, and what follows from it."""

import math
from collections import Counter

from seewhy.ledger.memory.state import Book, Ended, Flight
from seewhy.ledger.types import LimitScope, QueueLimit
from seewhy.schemas.job import JobState

SHARED_AT_ONCE = 1000
MINUTE_MS, SHORTEST_MS, LONGEST_MS = 60_000, 1_000, 60_000


def settle(book: Book, job_id: str, state: JobState, **changes: object) -> None:
    """Give a job its outcome."""
    entry = book.entries[job_id]
    if entry.record.started_ms is not None:
        book.ended.append(Ended(book.now(), entry.record.lane, entry.record.context.tenant))
    entry.ready, entry.follows = False, None
    record = book.change(job_id, state=state, finished_ms=book.now(), owner=None, **changes)
    del book.due[job_id]
    book.terminal[state] += 1
    if state is not JobState.SUCCEEDED or record.cached:
        book.unarchived[job_id] = book.now()
    if state is JobState.FAILED:
        book.dead[job_id] = book.now()
    book.post(job_id)
    book.announce(job_id, state)
    if entry.flight:
        _land(book, job_id, entry.flight, state)


def called_off(book: Book, job_id: str) -> bool:
    """Cancel or expire a job whose client or deadline says so."""
    record = book.entries[job_id].record
    if record.cancel_requested:
        settle(book, job_id, JobState.CANCELLED)
    elif book.past_deadline(record):
        settle(book, job_id, JobState.EXPIRED)
    else:
        return False
    return True


def share(book: Book, job_id: str, leader_id: str) -> None:
    """Give a job the outcome of the one that computed what it asks for."""
    leader = book.entries[leader_id].record
    names = ("result",) if leader.state is JobState.SUCCEEDED else ("error_code", "error_detail")
    outcome = {name: getattr(leader, name) or "" for name in names}
    settle(book, job_id, leader.state, cached=True, **outcome)


def board(book: Book, job_id: str) -> bool:
    """Find out whether a job has to be computed; False: it waits for another, or has ended."""
    entry = book.entries[job_id]
    flight = book.flights.get(entry.flight or "")
    leader = book.entries.get(flight.leader) if flight else None
    if flight and (flight.expires_ms <= book.now() or flight.leader == job_id):
        leader = None
    if leader and not book.forgotten(leader.record):
        their = leader.record
        if their.state is JobState.SUCCEEDED:
            share(book, job_id, their.job_id)
            return False
        waits_first = their.state is JobState.QUEUED and their.lane == entry.record.lane
        if (their.state is JobState.RUNNING or waits_first) and not their.cancel_requested:
            entry.follows = their.job_id
            book.look_again(job_id)
            return False
    book.flights[entry.flight or ""] = Flight(job_id)
    return True


def followers(book: Book, job_id: str) -> list[str]:
    """List who waits for a job's outcome, in their order."""
    waiting = [entry for entry in book.entries.values() if entry.follows == job_id]
    waiting.sort(key=lambda entry: (entry.place, entry.record.job_id))
    return [entry.record.job_id for entry in waiting]


def follow_up(book: Book, job_id: str) -> bool:
    """Judge again a job that waits for another; True: it has been made ready."""
    entry = book.entries[job_id]
    leader = book.entries.get(entry.follows or "")
    state = leader.record.state if leader and not book.forgotten(leader.record) else None
    if state in {JobState.QUEUED, JobState.RUNNING}:
        book.look_again(job_id)
    elif leader and state in {JobState.SUCCEEDED, JobState.FAILED}:
        share(book, job_id, leader.record.job_id)
    else:
        entry.follows = None
        if board(book, job_id):
            book.make_ready(job_id)
            return True
    return False


def _land(book: Book, job_id: str, fingerprint: str, state: JobState) -> None:
    flight = book.flights.get(fingerprint)
    if flight and flight.leader == job_id:
        if state is JobState.SUCCEEDED and book.policy.cache_ms > 0:
            flight.expires_ms = book.now() + book.policy.cache_ms
        else:
            del book.flights[fingerprint]
    waiting = followers(book, job_id)
    if state in {JobState.SUCCEEDED, JobState.FAILED}:
        for follower in waiting[:SHARED_AT_ONCE]:
            share(book, follower, job_id)
    elif waiting:
        book.entries[waiting[0]].follows = None
        if board(book, waiting[0]):
            book.make_ready(waiting[0])


def crowded(book: Book, lane: str, tenant: str) -> QueueLimit | None:
    """Say which limit of a queue is met, and when it may have shrunk to nine tenths of it."""
    for limit, most, whose in (
        (LimitScope.TENANT, book.policy.tenant_limit, tenant),
        (LimitScope.LANE, book.policy.lane_limit, None),
    ):
        open_jobs = book.open_jobs(lane, whose)
        if open_jobs >= most:
            mine = [e for e in book.ended if e.lane == lane and whose in {None, e.tenant}]
            over = open_jobs - most * 9 // 10
            return QueueLimit(limit, _shrunk_in(book.now(), mine, over))
    return None


def _shrunk_in(now: int, ended: list[Ended], over: int) -> int:
    minutes = Counter(end.at_ms // MINUTE_MS for end in ended)
    minute, passed_ms = divmod(now, MINUTE_MS)
    a_minute = minutes[minute - 1] * (MINUTE_MS - passed_ms) / MINUTE_MS + minutes[minute]
    if a_minute == 0:
        return LONGEST_MS
    return min(max(math.ceil(over * MINUTE_MS / a_minute), SHORTEST_MS), LONGEST_MS)
