"""gunicorn around the API: one process group, threads for requests, two more beside them."""

from typing import Any

from gunicorn.app.base import BaseApplication

from seewhy.settings import Settings
from seewhy_api.app import Api, create_api

STOP_WITHIN_S = 6


class Server(BaseApplication):  # type: ignore[misc]
    """Serves the API until it is told to stop."""

    def __init__(self, settings: Settings) -> None:
        """Prepare to serve; `run` binds the port and forks."""
        self._settings = settings
        self._api: Api | None = None
        super().__init__()

    def load_config(self) -> None:
        """Hand gunicorn its options: ours, not those of a file or the environment."""
        options: dict[str, Any] = {
            "bind": f"{self._settings.api_host}:{self._settings.api_port}",
            "workers": self._settings.api_processes,
            "threads": self._settings.api_threads,
            "worker_class": "gthread",
            "keepalive": 75,
            "graceful_timeout": STOP_WITHIN_S,
            "control_socket_disable": True,
            "post_worker_init": lambda _: self._started(),
            "worker_exit": lambda _server, _worker: self._ended(),
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Build the application, in each worker process after the fork."""
        self._api = create_api(self._settings)
        return self._api.flask

    def _started(self) -> None:
        if self._api is not None:
            self._api.start()

    def _ended(self) -> None:
        if self._api is not None:
            self._api.stop()
