"""`python -m seewhy_api.webhooks`: deliver webhooks with the settings of the environment."""

from seewhy_api.bootstrap import run_with_settings
from seewhy_api.webhooks.app import create_dispatcher


def main() -> None:
    """Deliver until SIGTERM, or say what is wrong with the settings and exit with 1."""
    run_with_settings("dispatcher", lambda settings: create_dispatcher(settings).run())


if __name__ == "__main__":
    main()
