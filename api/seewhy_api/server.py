"""gunicorn around the API: threads for requests, threads for streams, two more beside them."""

import threading
from collections.abc import Callable, Iterable
from typing import Any

from gunicorn.app.base import BaseApplication

from seewhy.settings import Settings
from seewhy_api.app import Api, create_api

STOP_WITHIN_S = 6
IDLE_CONNECTIONS = 1000


class ConcurrencyLimiter:
    """WSGI middleware: so many requests are served at once; the others wait their turn.

    gunicorn has one kind of thread, and streams must not lend theirs to uploads. A response that
    is still being streamed is past the gate.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]], *, at_once: int) -> None:
        """Serve `at_once` requests of `app`."""
        self._app = app
        self._places = threading.BoundedSemaphore(at_once)

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Serve one request when there is a place."""
        with self._places:
            return self._app(environ, start_response)


class Server(BaseApplication):  # type: ignore[misc]
    """Serves the API until it is told to stop."""

    def __init__(self, settings: Settings) -> None:
        """Prepare to serve; `run` binds the port and forks."""
        self._settings = settings
        self._api: Api | None = None
        super().__init__()

    def load_config(self) -> None:
        """Hand gunicorn its options: ours, not those of a file or the environment."""
        threads = self._settings.api_threads + self._settings.api_streams
        options: dict[str, Any] = {
            "bind": f"{self._settings.api_host}:{self._settings.api_port}",
            "workers": self._settings.api_processes,
            "threads": threads,
            "worker_connections": threads + IDLE_CONNECTIONS,
            "worker_class": "gthread",
            "keepalive": 75,
            "graceful_timeout": STOP_WITHIN_S,
            "control_socket_disable": True,
            "post_worker_init": self._started,
            "worker_exit": lambda _server, _worker: self._ended(),
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Build the application, in each worker process after the fork."""
        self._api = create_api(self._settings)
        return ConcurrencyLimiter(self._api.flask, at_once=self._settings.api_threads)

    def _started(self, worker: Any) -> None:
        if self._api is not None:
            # gunicorn has no hook for the moment between SIGTERM and the end of its patience.
            self._api.start(going=lambda: worker.alive)

    def _ended(self) -> None:
        if self._api is not None:
            self._api.stop()
