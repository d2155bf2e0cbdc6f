"""`python -m seewhy_api`: serve the API with the settings of the environment."""

from seewhy_api.bootstrap import run_with_settings
from seewhy_api.server import Server


def main() -> None:
    """Serve until SIGTERM, or say what is wrong with the settings and exit with 1."""
    run_with_settings("api", lambda settings: Server(settings).run())


if __name__ == "__main__":
    main()
