"""seewhy's explainer, as a worker calls it."""

from answering import LAYER, Run, answer, pixels

from seewhy.catalog.catalog import Catalog
from seewhy.catalog.model_spec import RandomWeights
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
WHOLE = Rectangle(x=0, y=0, width=224, height=224)


def make(batch: int, classes: int, method: str = "gradcam") -> Run:
    options = MethodOptions(method=method)
    tasks = [
        ExplanationTask.create(PreparedImage(pixels=image, covers=WHOLE), range(classes), options)
        for image in pixels(batch)
    ]
    return lambda: EXPLAINER.explain(tasks)


answer(make)
