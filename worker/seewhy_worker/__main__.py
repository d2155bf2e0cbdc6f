"""`python -m seewhy_worker`: load the models named in the settings and run their jobs."""

import argparse
import sys

from seewhy.devices import pin_process
from seewhy.errors import SeewhyError
from seewhy.imaging.process_tuning import tune_process
from seewhy.logs.configuration import configure_logging
from seewhy.settings import load
from seewhy_worker.app import create_worker
from seewhy_worker.model_loader import CatalogModels


def main() -> None:
    """Run until SIGTERM; exit with status 1 and a message if the settings or a model are wrong."""
    parser = argparse.ArgumentParser(prog="python -m seewhy_worker", description=__doc__)
    parser.add_argument("--device", help="auto, cpu, or gpu:N; default: SEEWHY_WORKER_DEVICE")
    device = parser.parse_args().device
    tune_process()
    try:
        settings = load() if device is None else load(worker_device=device)
        configure_logging(settings.log_format)
        pinned_to = pin_process(settings.worker_device, cores=settings.worker_cores)
        worker = create_worker(settings, source=CatalogModels(settings), pinned_to=pinned_to)
    except SeewhyError as error:
        sys.exit(f"seewhy worker: {error}")
    worker.run()


if __name__ == "__main__":
    main()
