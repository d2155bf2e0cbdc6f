"""The gunicorn server around the API: threads for requests, streams and background work."""

import threading
from collections.abc import Callable, Iterable
from typing import Any

from gunicorn.app.base import BaseApplication

from seewhy.settings import Settings
from seewhy_api.app import Api, create_api

GRACEFUL_TIMEOUT_S = 6
MAX_IDLE_CONNECTIONS = 1000


class ConcurrencyLimiter:
    """WSGI middleware that limits concurrent requests; further requests wait.

    gunicorn uses one pool of threads for requests and streams. The limit keeps threads free for
    streams: a response that is being streamed does not count.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]], *, limit: int) -> None:
        """Allow `limit` concurrent requests to `app`."""
        self._app = app
        self._slots = threading.BoundedSemaphore(limit)

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Serve one request when a slot is free."""
        with self._slots:
            return self._app(environ, start_response)


class Server(BaseApplication):  # type: ignore[misc]
    """Serves the API until SIGTERM."""

    def __init__(self, settings: Settings) -> None:
        """Prepare to serve; `run` binds the port and forks."""
        self._settings = settings
        self._api: Api | None = None
        super().__init__()

    def load_config(self) -> None:
        """Set gunicorn's options; its configuration file and environment are ignored."""
        threads = self._settings.api_threads + self._settings.api_streams
        options: dict[str, Any] = {
            "bind": f"{self._settings.api_host}:{self._settings.api_port}",
            "workers": self._settings.api_processes,
            "threads": threads,
            "worker_connections": threads + MAX_IDLE_CONNECTIONS,
            "worker_class": "gthread",
            "keepalive": 75,
            "graceful_timeout": GRACEFUL_TIMEOUT_S,
            "control_socket_disable": True,
            "post_worker_init": self._start_threads,
            "worker_exit": lambda _server, _worker: self._stop_threads(),
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Build the application, in each worker process after the fork."""
        self._api = create_api(self._settings)
        return ConcurrencyLimiter(self._api.flask, limit=self._settings.api_threads)

    def _start_threads(self, worker: Any) -> None:
        if self._api is not None:
            # gunicorn has no hook between SIGTERM and the end of the graceful timeout.
            self._api.start(is_running=lambda: worker.alive)

    def _stop_threads(self) -> None:
        if self._api is not None:
            self._api.stop()
