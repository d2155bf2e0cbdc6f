"""The gunicorn application: configuration, and the life of each serving process."""

from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.errors import AppImportError
from gunicorn.glogging import Logger

from seewhy.access.policy import require_protection
from seewhy.errors import SettingsError
from seewhy.imaging.process_tuning import tune_process
from seewhy.settings import Settings
from seewhy_api.app import Api, create_api
from seewhy_api.connections.limits import ServerLimits
from seewhy_api.connections.worker import GRACEFUL_TIMEOUT_S, WaitressWorker
from seewhy_api.http.parsing import max_body_bytes


class _Logger(Logger):  # type: ignore[misc]
    """Hands the messages of gunicorn to the handlers of this process."""

    def setup(self, cfg: Any) -> None:
        """Take gunicorn's levels, and none of its handlers."""
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


class Server(BaseApplication):  # type: ignore[misc]
    """Serves the API until SIGTERM."""

    def __init__(self, settings: Settings) -> None:
        """Prepare to serve; `run` binds the port and forks."""
        self._settings = settings
        self._api: Api | None = None
        super().__init__()

    def load_config(self) -> None:
        """Set gunicorn's options; its configuration file and environment are ignored."""
        settings = self._settings
        limits = ServerLimits.of(settings, max_body_bytes=max_body_bytes(settings.max_upload_bytes))
        host = f"[{settings.api_host}]" if ":" in settings.api_host else settings.api_host
        options: dict[str, Any] = {
            "bind": f"{host}:{settings.api_port}",
            "workers": settings.api_processes,
            "worker_class": type("Worker", (WaitressWorker,), {"limits": limits}),
            "graceful_timeout": GRACEFUL_TIMEOUT_S,
            "control_socket_disable": True,
            "logger_class": _Logger,
            "post_worker_init": self._start_threads,
            "worker_exit": lambda _server, _worker: self._stop_threads(),
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Build the application, in each worker process after the fork.

        Ends the server when its settings would let anybody in. The store must not be asked before
        the fork.
        """
        tune_process()
        self._api = create_api(self._settings)
        try:
            require_protection(self._settings, has_keys=self._api.keys.has_keys)
        except SettingsError as error:
            raise AppImportError(f"seewhy api: {error}") from error
        return self._api.flask

    def _start_threads(self, worker: Any) -> None:
        if self._api is not None:
            # gunicorn has no hook between SIGTERM and the end of the graceful timeout.
            self._api.start(is_running=lambda: worker.alive)

    def _stop_threads(self) -> None:
        if self._api is not None:
            self._api.stop()
