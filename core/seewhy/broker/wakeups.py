"""Hints: Celery messages that say "lane L has work". Losing one costs seconds, never a job.

Settings and their reasons: docs/architecture.md, and Celery 5.7's Redis transport, where a message
can vanish between BRPOP and the `unacked` write, so that nothing may depend on one.
"""

import logging
from collections.abc import Sequence

from celery import Celery
from kombu import Queue
from kombu.exceptions import OperationalError

from seewhy.ledger.types import DISPATCHER_QUEUE, wakeup_queue

RUN_JOBS_TASK = "seewhy.work"
"""The task's name. The API rings by name, so that it need not import the worker."""

DELIVER_WEBHOOKS_TASK = "seewhy.deliver"
"""The task that takes turns at webhooks, on a queue of its own: it never delays a picture."""

_log = logging.getLogger(__name__)


def broker_url(redis_url: str) -> str:
    """Spell a Redis URL the way Celery does: `unix://` is `redis+socket://` to it."""
    return redis_url.replace("unix://", "redis+socket://", 1)


def create_celery(redis_url: str, *, lanes: Sequence[str]) -> Celery:
    """Make the Celery application for the hints of these lanes and of couriers.

    Connects on first use. Whoever consumes names its queues, for it knows them all.
    """
    app = Celery("seewhy", broker=broker_url(redis_url), set_as_current=False)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        result_backend=None,
        task_queues=[Queue(name) for name in (*map(wakeup_queue, lanes), DISPATCHER_QUEUE)],
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
        # Redis without memory or disk refuses writes: no reason for a worker to end.
        broker_channel_error_retry=True,
        broker_transport_options={
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


def run_consumer(celery: Celery, queues: Sequence[str], *, threads: int) -> None:
    """Run the application's tasks for the messages of these queues until SIGTERM."""
    for chatty in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    celery.worker_main(
        [
            "--quiet",
            "worker",
            "--pool=threads",
            f"--concurrency={threads}",
            f"--queues={','.join(queues)}",
            "--loglevel=INFO",
            "--without-gossip",
            "--without-mingle",
        ]
    )


class WakeupPublisher:
    """Rings lanes. A ring that fails is logged and forgotten: the sweep rings again."""

    def __init__(self, celery: Celery) -> None:
        """Ring through this application."""
        self._celery = celery

    def notify(self, lane: str, *, times: int = 1) -> bool:
        """Send `times` hints; False when the broker did not take one."""
        return self._send(RUN_JOBS_TASK, [lane], queue=wakeup_queue(lane), times=times)

    def notify_dispatchers(self, *, times: int) -> bool:
        """Send `times` hints to those who deliver webhooks; False as in `ring`."""
        return self._send(DELIVER_WEBHOOKS_TASK, [], queue=DISPATCHER_QUEUE, times=times)

    def _send(self, task: str, arguments: list[str], *, queue: str, times: int) -> bool:
        try:
            for _ in range(times):
                self._celery.send_task(task, args=arguments, queue=queue)
        except OperationalError as error:
            _log.warning("could not ring %s, the sweep will: %s", queue, error)
            return False
        return True
