"""Run the dispatcher with settings from the environment: `python -m seewhy_api.webhooks`."""

from seewhy_api.bootstrap import run_with_settings
from seewhy_api.webhooks.app import create_dispatcher


def main() -> None:
    """Deliver webhooks until SIGTERM; print an error and exit with 1 if the settings are wrong."""
    run_with_settings("dispatcher", lambda settings: create_dispatcher(settings).run())


if __name__ == "__main__":
    main()
