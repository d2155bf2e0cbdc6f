"""A postman who carries nothing and answers from a script."""

import json
import threading
from collections.abc import Callable

from seewhy_api.webhooks.client import ResponseKind, WebhookRequest, WebhookResponse

OK = WebhookResponse(ResponseKind.DELIVERED, "answered 200", 200)
BUSY = WebhookResponse(ResponseKind.AGAIN, "answered 500", 500)
GONE = WebhookResponse(ResponseKind.UNWANTED, "answered 410: it wants nothing more", 410)
SILENT = WebhookResponse(ResponseKind.AGAIN, "no answer in time")


def asks_to_wait(wait_s: float) -> WebhookResponse:
    return WebhookResponse(ResponseKind.AGAIN, "answered 429", 429, wait_s)


class ScriptedPostman:
    """Answers each post as `answers` has it for the job, the last answer for ever."""

    def __init__(self) -> None:
        self.posts: list[WebhookRequest] = []
        self.answers: dict[str, list[WebhookResponse | Exception]] = {}
        self.default: WebhookResponse = OK
        self.meanwhile: Callable[[], None] = lambda: None
        self._lock = threading.Lock()

    def post(self, post: WebhookRequest) -> WebhookResponse:
        with self._lock:
            self.posts.append(post)
            self.meanwhile()
            script = self.answers.get(told(post), [self.default])
            answer = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def told(post: WebhookRequest) -> str:
    return str(json.loads(post.body)["data"]["id"])
