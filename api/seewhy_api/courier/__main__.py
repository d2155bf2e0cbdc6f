"""`python -m seewhy_api.courier`: deliver webhooks with the settings of the environment."""

from seewhy_api.courier.process import create_courier
from seewhy_api.starting import run_with_settings


def main() -> None:
    """Deliver until SIGTERM, or say what is wrong with the settings and exit with 1."""
    run_with_settings("courier", lambda settings: create_courier(settings).run())


if __name__ == "__main__":
    main()
