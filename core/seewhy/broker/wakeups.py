"""Wakeups: Celery messages that say "lane L has work". A lost one delays a job, never loses it.

Celery's Redis transport can lose a message between BRPOP and its write to `unacked`, so nothing
depends on a message: the sweep sends another. docs/architecture.md explains the settings.
"""

import logging
import threading
from collections.abc import Iterable, Sequence
from typing import Any

from celery import Celery, signals
from kombu import Queue
from kombu.exceptions import OperationalError

from seewhy.ledger.types import DISPATCHER_QUEUE, wakeup_queue
from seewhy.ledger.types.lanes import KEY_PREFIX

RUN_JOBS_TASK = "seewhy.run_jobs"
"""The task of the workers. Sent by name, so that the API need not import the worker."""

DELIVER_WEBHOOKS_TASK = "seewhy.deliver_webhooks"
"""The task of the webhook dispatchers. Its separate queue keeps deliveries from delaying jobs."""

_log = logging.getLogger(__name__)


def broker_url(redis_url: str) -> str:
    """Convert a Redis URL to Celery's form, which writes `unix://` as `redis+socket://`.

    Celery verifies certificates only where the URL says so, the client of the ledger unless the URL
    says otherwise.
    """
    if redis_url.startswith("rediss://") and "ssl_cert_reqs=" not in redis_url:
        return f"{redis_url}{'&' if '?' in redis_url else '?'}ssl_cert_reqs=required"
    return redis_url.replace("unix://", "redis+socket://", 1)


def celery_queue(key: str) -> str:
    """Return Celery's name of the queue whose messages are in this Redis list."""
    return key.removeprefix(KEY_PREFIX)


def create_celery(redis_url: str, *, lanes: Sequence[str]) -> Celery:
    """Create the Celery application for wakeups of these lanes and of webhook dispatchers.

    Connects on first use. The application declares all queues, so consumers must name theirs.
    """
    app = Celery("seewhy", broker=broker_url(redis_url), set_as_current=False)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        result_backend=None,
        task_queues=[
            Queue(celery_queue(key)) for key in (*map(wakeup_queue, lanes), DISPATCHER_QUEUE)
        ],
        task_create_missing_queues=False,
        task_acks_late=True,
        task_reject_on_worker_lost=False,
        task_retry_on_worker_lost=False,
        task_publish_retry=False,
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        # Workers keep running while Redis refuses writes for lack of memory or disk.
        broker_channel_error_retry=True,
        broker_transport_options={
            "global_keyprefix": KEY_PREFIX,
            "visibility_timeout": 300,
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            "unacked_mutex_expire": 30,
            "socket_timeout": 10,
            "socket_connect_timeout": 5,
            "health_check_interval": 10,
            "priority_steps": [0],
            "queue_order_strategy": "priority",
        },
    )
    return app


class LaneConsumer:
    """Takes the wakeups for some lanes of a worker, which may change while it runs. Thread-safe.

    A wakeup for a lane that this worker cannot run now is left to other workers.
    """

    def __init__(self, celery: Celery, *, lanes: Sequence[str]) -> None:
        """Take wakeups for those of these lanes that `select` chooses; first for none."""
        self._celery = celery
        self._keys = tuple(map(wakeup_queue, lanes))
        self._queues = tuple(map(celery_queue, self._keys))
        self._lock = threading.Lock()
        self._selected: frozenset[str] = frozenset()
        self._consumer: Any = None

    def run(self, *, threads: int) -> None:
        """Run the application's tasks for these wakeups until SIGTERM."""
        signals.celeryd_after_setup.connect(self._begin, weak=False)
        signals.worker_ready.connect(self._keep_consumer, weak=False)
        run_consumer(self._celery, self._keys, threads=threads)

    def select(self, lanes: Iterable[str]) -> None:
        """Take wakeups for these lanes and no others, from now on."""
        with self._lock:
            self._selected = frozenset(celery_queue(wakeup_queue(lane)) for lane in lanes)
            if self._consumer:
                self._choose_queues()
                self._consumer.call_soon(self._apply)  # in Celery's own thread

    def _begin(self, **_: Any) -> None:
        """Choose the queues that Celery reads from its start on."""
        with self._lock:
            self._choose_queues()

    def _keep_consumer(self, sender: Any, **_: Any) -> None:
        with self._lock:
            self._consumer = sender
            self._choose_queues()
            self._apply()

    def _choose_queues(self) -> None:
        """Choose the queues that Celery reads whenever it connects."""
        queues = self._celery.amqp.queues
        queues.deselect([name for name in self._queues if name not in self._selected])
        for name in self._selected:
            queues.select_add(queues[name])

    def _apply(self) -> None:
        """Let the present connection read the chosen queues."""
        chosen = self._celery.amqp.queues.consume_from
        consumer = self._consumer.task_consumer
        if consumer is None:
            return  # Celery is connecting, and reads what is chosen.
        for name in self._queues:
            if consumer.consuming_from(name) and name not in chosen:
                consumer.cancel_by_queue(name)
            elif name in chosen and not consumer.consuming_from(name):
                consumer.add_queue(chosen[name])
                consumer.consume()


def run_consumer(celery: Celery, queues: Sequence[str], *, threads: int) -> None:
    """Run the application's tasks for messages in these Redis lists until SIGTERM."""
    for verbose in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(verbose).setLevel(logging.WARNING)
    logging.getLogger("celery.worker.consumer.consumer").addFilter(_shorten_refusal)
    celery.worker_main(
        [
            "--quiet",
            "worker",
            "--pool=threads",
            f"--concurrency={threads}",
            f"--queues={','.join(map(celery_queue, queues))}",
            "--loglevel=INFO",
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",  # an event that nobody reads
        ]
    )


_REFUSALS = (
    "Received and deleted unknown message",
    "Received unregistered task",
    "Received invalid task message",
    "Can't decode message body",
)


def _shorten_refusal(record: logging.LogRecord) -> bool:
    """Make one warning of what Celery logs in full, with a traceback, for other messages."""
    if str(record.msg).startswith(_REFUSALS):
        summary = record.getMessage().partition("\n")[0][:200]
        record.msg, record.args, record.exc_info = "Ignoring a message: %s", (summary,), None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
    return True


class WakeupPublisher:
    """Sends wakeups. A failure is logged and otherwise ignored: the sweep sends another."""

    def __init__(self, celery: Celery) -> None:
        """Send through this application."""
        self._celery = celery

    def notify(self, lane: str, *, times: int = 1) -> bool:
        """Send `times` wakeups for a lane; return False when the broker refused one."""
        return self._send(RUN_JOBS_TASK, [lane], queue=wakeup_queue(lane), times=times)

    def notify_dispatchers(self, *, times: int) -> bool:
        """Send `times` wakeups to webhook dispatchers; return False when the broker refused one."""
        return self._send(DELIVER_WEBHOOKS_TASK, [], queue=DISPATCHER_QUEUE, times=times)

    def _send(self, task: str, arguments: list[str], *, queue: str, times: int) -> bool:
        try:
            for _ in range(times):
                self._celery.send_task(task, args=arguments, queue=celery_queue(queue))
        except OperationalError as error:
            _log.warning(
                "Cannot send a wakeup to %s; the next sweep sends another: %s", queue, error
            )
            return False
        return True
