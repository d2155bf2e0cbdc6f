"""`python -m seewhy_api`: serve the API with the settings of the environment."""

import logging
import sys

from seewhy.errors import SeewhyError
from seewhy.settings import load
from seewhy_api.server import Server


def main() -> None:
    """Serve until SIGTERM, or say what is wrong with the settings and exit with 1."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        settings = load()
    except SeewhyError as error:
        sys.exit(f"seewhy api: {error}")
    Server(settings).run()


if __name__ == "__main__":
    main()
