"""Write users.acl: `make redis-users`."""

from collections.abc import Sequence, Set
from pathlib import Path

from redis_users.scripts import all_scripts, use_of

FILE = Path(__file__).with_name("users.acl")

SESSION = (
    *("@connection", "-@dangerous", "evalsha", "exec", "multi", "script|load", "unwatch", "watch"),
)
"""Connecting and running scripts, but not CLIENT KILL and its like. Order matters."""

WAKEUP_KEYS = {"{seewhy}:_kombu.binding*", "{seewhy}:wakeups:*"}
SEND_WAKEUPS = {"exists", "llen", "lpush", "sadd", "smembers"}
RECEIVE_KEYS = {"{seewhy}:unacked", "{seewhy}:unacked_index", "{seewhy}:unacked_mutex"}
RECEIVE_WAKEUPS = SEND_WAKEUPS | {
    *("brpop", "del", "get", "hdel", "hget", "hset", "pexpire", "rpush", "set", "zadd", "zrem"),
    "zrevrangebyscore",
}
"""What Celery does to send and to receive messages."""

WORKER_SCRIPTS = (
    *("claims", "outbox/wakeups_needed", "workers/begin_load", "workers/demand"),
    *("workers/register", "workers/unregister"),
)
WORKER_READS = {"{seewhy}:epoch"}
"""Keys that workers read and never write."""
DISPATCHER_SCRIPTS = ("outbox/lease_origin", "outbox/report")
API_COMMANDS = {"hgetall", "hmget", "info", "set", "xread", "zrange"}
"""What the API calls beside scripts."""

MONITOR_KEYS = {
    *("{seewhy}:due", "{seewhy}:open", "{seewhy}:open:*", "{seewhy}:ready", "{seewhy}:running:*"),
    "{seewhy}:wakeups:*",
}
MONITOR_COMMANDS = {"eval", "hget", "hgetall", "hlen", "info", "llen", "type", "zcard", "zcount"}
"""The numbers of waiting and running jobs. KEDA's scaler for Redis counts in a script."""


def document() -> str:
    """Return the file. Passwords are placeholders."""
    api, worker, dispatcher = map(use_of, (all_scripts(), WORKER_SCRIPTS, DISPATCHER_SCRIPTS))
    receive_keys = WAKEUP_KEYS | RECEIVE_KEYS
    lines = [
        "user default off",
        _user(
            "api",
            keys={"{seewhy}:*"},
            commands=api.commands | SEND_WAKEUPS | API_COMMANDS,
        ),
        _user(
            "worker",
            keys=(worker.keys | receive_keys) - WORKER_READS,
            reads=WORKER_READS,
            commands=worker.commands | RECEIVE_WAKEUPS,
        ),
        _user(
            "dispatcher",
            keys=dispatcher.keys | receive_keys,
            commands=dispatcher.commands | RECEIVE_WAKEUPS,
        ),
        _user("monitor", keys=MONITOR_KEYS, commands=MONITOR_COMMANDS, session=SESSION[:2]),
    ]
    return "".join(f"{line}\n" for line in lines)


def _user(
    name: str,
    *,
    keys: Set[str],
    commands: Set[str],
    reads: Set[str] = frozenset(),
    session: Sequence[str] = SESSION,
) -> str:
    rules = [
        f"user {name} on >{name.upper()}_PASSWORD resetchannels resetkeys",
        *(f"~{key}" for key in sorted(keys)),
        *(f"%R~{key}" for key in sorted(reads)),
        "-@all",
        *(rule if rule.startswith("-") else f"+{rule}" for rule in session),
        *(f"+{command}" for command in sorted(commands)),
    ]
    return " ".join(rules)


if __name__ == "__main__":
    FILE.write_text(document(), "utf-8")
