"""The Celery application of a webhook dispatcher, without a server."""

from seewhy.broker.wakeups import DELIVER_WEBHOOKS_TASK, create_celery
from seewhy.settings import load
from seewhy.webhook_secrets import generate_secret
from seewhy_api.webhooks.app import create_dispatcher


def test_the_task_of_a_dispatcher_belongs_to_its_own_application_only() -> None:
    settings = load({}, webhook_secrets=generate_secret())
    first, second = create_dispatcher(settings), create_dispatcher(settings)
    tasks = [each.celery.tasks[DELIVER_WEBHOOKS_TASK] for each in (first, second)]
    assert [task.app for task in tasks] == [first.celery, second.celery]
    assert DELIVER_WEBHOOKS_TASK not in create_celery(settings.redis_url, lanes=[]).tasks
