"""`python -m seewhy_worker`: load the models named in the settings and run their jobs."""

import sys

from seewhy.errors import SeewhyError
from seewhy.imaging.process_tuning import tune_process
from seewhy.logs.configuration import configure_logging
from seewhy.settings import load
from seewhy_worker.app import create_worker
from seewhy_worker.model_loader import load_models


def main() -> None:
    """Run until SIGTERM; exit with status 1 and a message if the settings or a model are wrong."""
    tune_process()
    try:
        settings = load()
        configure_logging(settings.log_format)
        worker = create_worker(settings, explainers=load_models(settings))
    except SeewhyError as error:
        sys.exit(f"seewhy worker: {error}")
    worker.run()


if __name__ == "__main__":
    main()
