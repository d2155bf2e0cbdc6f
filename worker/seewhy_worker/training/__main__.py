"""`python -m seewhy_worker.training FOLDER BASE OUT HELD_OUT SEED OVERWRITE`."""

import sys
from importlib.util import find_spec
from pathlib import Path

from seewhy.catalog.catalog import Catalog
from seewhy.catalog.weights import obtain_weights
from seewhy.errors import SeewhyError
from seewhy.settings import load
from seewhy_worker.training import report
from seewhy_worker.training.catalog_entry import choose_place
from seewhy_worker.training.dataset import read_folder
from seewhy_worker.training.errors import FitRefused

_INTERRUPTED = 130


def main() -> None:
    """Fit as the command line says; a refusal is one sentence and status 1."""
    try:
        _run(*sys.argv[1:])
    except SeewhyError as error:
        sys.exit(f"seewhy: {error}")
    except KeyboardInterrupt:
        sys.stderr.write("seewhy: interrupted; no model was written\n")
        sys.exit(_INTERRUPTED)


def _run(folder: str, base: str, out: str, held_out: str, seed: str, overwrite: str) -> None:
    """Refuse what can be refused at once, then fit. `overwrite` is empty for no."""
    if find_spec("sklearn") is None:
        raise FitRefused("scikit-learn is missing: pip install 'seewhy[fit]'")
    settings = load()
    shipped = Catalog.load(settings.model_copy(update={"models_file": None}))
    place = choose_place(Path(out), overwrite=bool(overwrite), taken=shipped.names())
    listed = read_folder(Path(folder))
    spec = Catalog.load(settings).get(base)
    with report.bar(report.notes(), f"fetching {base}") as progress:
        weights_path = obtain_weights(spec, settings, progress=progress)
    # Keras takes seconds to import: a mistake above is told before.
    from seewhy_worker.training.fit import Plan, fit  # noqa: PLC0415

    fit(
        Plan(
            folder=listed,
            base=spec,
            weights_path=weights_path,
            place=place,
            held_out=float(held_out),
            seed=int(seed),
            max_batch=settings.max_batch,
            max_pixels=settings.max_pixels,
        )
    )


if __name__ == "__main__":
    main()
