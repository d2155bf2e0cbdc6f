"""The explainer of seewhy, called as in a worker."""

from contender_server import LAYER, Run, random_pixels, serve

from seewhy.catalog.catalog import Catalog
from seewhy.catalog.model_files import RandomWeights
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.job import MethodOptions
from seewhy.settings import load
from seewhy_worker.explain.keras_explainer import load_explainer
from seewhy_worker.explain.types import ExplanationTask, PreparedImage

SPEC = (
    Catalog.load(load({}))
    .get("vgg16")
    .model_copy(update={"weights": RandomWeights(random_seed=1), "max_batch": 32, "layer": LAYER})
)
EXPLAINER = load_explainer(SPEC, weights_path=None, max_batch=32)
COVERS = Rectangle(x=0, y=0, width=224, height=224)


def prepare_run(batch: int, classes: int, method: str = "gradcam") -> Run:
    """Prepare the explanation of a random batch; the returned function runs it once."""
    options = MethodOptions(method=method)
    tasks = [
        ExplanationTask.create(PreparedImage(pixels=image, covers=COVERS), range(classes), options)
        for image in random_pixels(batch)
    ]
    return lambda: EXPLAINER.explain(tasks)


serve(prepare_run)
