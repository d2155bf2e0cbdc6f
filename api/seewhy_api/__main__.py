"""Run the API with settings from the environment: `python -m seewhy_api`."""

from seewhy_api.bootstrap import run_with_settings
from seewhy_api.server import Server


def main() -> None:
    """Serve until SIGTERM; print an error and exit with 1 if the settings are wrong."""
    run_with_settings("api", lambda settings: Server(settings).run())


if __name__ == "__main__":
    main()
