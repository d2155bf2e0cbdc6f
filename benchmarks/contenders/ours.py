"""seewhy's explainer, as a worker calls it."""

from answering import LAYER, Run, answer, pixels

from seewhy.catalog import Catalog, RandomWeights
from seewhy.explanations import Recipe, Rectangle
from seewhy.settings import load
from seewhy_worker.explained import Prepared
from seewhy_worker.explainer import load_explainer

SPEC = (
    Catalog.load(load({}))
    .get("vgg16")
    .model_copy(update={"weights": RandomWeights(random_seed=1), "max_batch": 32, "layer": LAYER})
)
EXPLAINER = load_explainer(SPEC, weights_path=None, max_batch=32)
WHOLE = Rectangle(x=0, y=0, width=224, height=224)


def make(batch: int, classes: int, method: str = "gradcam") -> Run:
    prepared = [Prepared(pixels=picture, covers=WHOLE) for picture in pixels(batch)]
    targets = [tuple(range(classes))] * batch
    return lambda: EXPLAINER.explain(prepared, targets, [Recipe(method=method)] * batch)


answer(make)
