"""The explainer of seewhy, called as in a worker.

The argument is an engine, or `worker`: the model is loaded as a worker with the default settings
starts, from a bundle, on the engine that its measurement has chosen.
"""

import argparse
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Literal, get_args

from contender_server import LAYER, Run, random_pixels, serve

from seewhy.catalog.catalog import Catalog
from seewhy.schemas.engines import EngineChoice
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.job import MethodOptions
from seewhy.settings import Settings, load
from seewhy_worker.explain.keras_explainer import load_explainer
from seewhy_worker.explain.model_explainer import ModelExplainer
from seewhy_worker.explain.types import ExplanationTask, PreparedImage
from seewhy_worker.model_loader import CatalogModels

sys.path.append(str(Path(__file__).parents[2] / "tests"))

from random_vgg16 import MODEL, write_catalog

MAX_BATCH = 32
COVERS = Rectangle(x=0, y=0, width=224, height=224)


def write_bundle(settings: Settings) -> None:
    """Load the model for the first time."""
    CatalogModels(settings).load(MODEL)


def open_explainer(engine: EngineChoice | Literal["worker"], folder: Path) -> ModelExplainer:
    """Load VGG16 with random weights on an engine, or as a worker does."""
    settings = load({}).model_copy(
        update={
            "models_file": write_catalog(folder),
            "bundle_dir": folder / "bundles",
            "max_batch": MAX_BATCH,
        }
    )
    if engine == "worker":
        # A process of its own, because it takes more memory than a worker that starts later.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as first:
            first.submit(write_bundle, settings).result()
        return CatalogModels(settings).load(MODEL)
    spec = Catalog.load(settings).get(MODEL).model_copy(update={"layer": LAYER})
    return load_explainer(spec, weights_path=None, max_batch=MAX_BATCH, engine=engine)


def prepare_run(batch: int, classes: int, method: str = "gradcam") -> Run:
    """Prepare the explanation of a random batch; the returned function runs it once."""
    options = MethodOptions(method=method)
    tasks = [
        ExplanationTask.create(PreparedImage(pixels=image, covers=COVERS), range(classes), options)
        for image in random_pixels(batch)
    ]
    return lambda: EXPLAINER.explain(tasks)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("engine", choices=("worker", *get_args(EngineChoice)))
    with tempfile.TemporaryDirectory() as directory:
        EXPLAINER = open_explainer(parser.parse_args().engine, Path(directory))
        serve(prepare_run)
