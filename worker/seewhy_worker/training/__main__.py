"""Train a head from the command line: `python -m seewhy_worker.training FOLDER --out FILE`."""

import argparse
import signal
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import NoReturn

from seewhy.catalog.catalog import Catalog
from seewhy.catalog.weights import obtain_weights
from seewhy.errors import SeewhyError
from seewhy.settings import load
from seewhy_worker.model_check.catalog_file import check_catalog_file, needs_check
from seewhy_worker.training import report
from seewhy_worker.training.catalog_entry import choose_output_files
from seewhy_worker.training.dataset import read_folder
from seewhy_worker.training.errors import TrainingError

_INTERRUPTED = 130


def main() -> None:
    """Train as the command line says; print an error and exit with 1 if that fails."""
    options = _parse_arguments()
    interrupted = threading.Event()

    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        interrupted.set()
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    try:
        _run(options)
    except BaseException as error:
        # TensorFlow converts a KeyboardInterrupt that is raised inside it to other exceptions.
        if interrupted.is_set():
            sys.stderr.write("seewhy: interrupted; no model was written\n")
            sys.exit(_INTERRUPTED)
        if isinstance(error, SeewhyError):
            sys.exit(f"seewhy: {error}")
        raise


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m seewhy_worker.training",
        description="Train a head on a folder of images, over the frozen body of a model.",
    )
    parser.add_argument(
        "folder",
        type=Path,
        metavar="FOLDER",
        help="a folder with one subfolder of images per class",
    )
    parser.add_argument("--base", required=True, help="the catalog name of the model to build on")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="the .keras file to write; labels and catalog go beside it",
    )
    parser.add_argument(
        "--held-out",
        type=float,
        default=0.2,
        help="the fraction of each class held out for testing",
    )
    parser.add_argument("--seed", type=int, default=0, help="selects the held-out images")
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")
    return parser.parse_args()


def _run(options: argparse.Namespace) -> None:
    """Check everything that needs no model first, then train."""
    if find_spec("sklearn") is None:
        raise TrainingError("scikit-learn is not installed: pip install 'seewhy[fit]'")
    settings = load()
    shipped = Catalog.load(settings.model_copy(update={"models_file": None}))
    files = choose_output_files(
        options.out, overwrite=options.overwrite, reserved_names=shipped.names()
    )
    folder = read_folder(options.folder)
    spec = Catalog.load(settings).get(options.base)
    with report.progress_bar(report.notes_console(), f"downloading {spec.name}") as progress:
        weights_path = obtain_weights(spec, settings, progress=progress)
    if weights_path is not None and needs_check(spec, settings):
        check_catalog_file(spec, weights_path, settings)
    # Imported late because Keras takes seconds to import: report mistakes before that.
    from seewhy_worker.training.fit import TrainingPlan, fit  # noqa: PLC0415

    fit(
        TrainingPlan(
            folder=folder,
            base=spec,
            weights_path=weights_path,
            files=files,
            held_out=options.held_out,
            seed=options.seed,
            max_batch=settings.max_batch,
            max_pixels=settings.max_pixels,
            memory_bytes=settings.model_memory_bytes,
        )
    )


if __name__ == "__main__":
    main()
