"""The options of requests, as keyword arguments of the client."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict


class RequestOptions(TypedDict, total=False):
    """The fields of a request besides the image. Omitted fields take the service's defaults."""

    model: str | None
    """A name from `models()`."""
    method: str
    """A CAM method of the model; `models()` lists them."""
    methods: Sequence[str]
    """Several methods, instead of `method`; their maps share the pass through the body."""
    fallback: Sequence[str]
    """Methods to try in order while no map has the verdict `ok`."""
    score: str
    """The score to explain: `logit` or `probability`."""
    layer: str | Sequence[str]
    """A layer of the model, or several whose maps are fused. Default: its target layer."""
    layers: Sequence[str]
    """Several layers, instead of `layer`, each with maps of its own."""
    targets: str | Sequence[int | str | Mapping[str, Any]] | Mapping[str, Any]
    """`predicted`, `top:N`, or one or a list of: a class, `{"why": X, "not": [Y]}`,
    `{"against": X}`, `{"output": X}`."""
    within: Mapping[str, Any] | None
    """Where the pixels of a model of segments count: `{"box": {"x": 0, "y": 0, "width": 9,
    "height": 9}}` in pixels, or `{"mask": {"size": [height, width], "counts": RLE of COCO}}`."""
    reference: Mapping[str, str] | None
    """The image that a model of embeddings compares with: `{"image_id": ID}`, as `upload` returns
    it."""
    inputs: Mapping[str, float | Sequence[float]]
    """Values of the model's inputs beside the image, by name."""
    preset: str | None
    """`classic`: the original recipe, which fixes method, score and rendering."""
    normalize: str | float
    """The value drawn as full heat: the `image`'s maximum, 1 for `none`, or a number."""
    threshold: float | str
    """The default threshold of regions: a fraction of the maximum, `otsu`, or `p90`."""
    outputs: Sequence[str] | None
    """What the worker produces in advance: `overlay`, `regions`, `trust`, or nothing for large
    batches."""
    box: Mapping[str, float] | None
    """The object's box for `trust`: x, y, width and height in pixels."""
    cache: bool
    """Whether the service may return the result of an identical earlier request."""
    priority: str | None
    """`interactive` or `batch`."""
    deadline_s: float | None
    """The explanation expires if it has not started after this many seconds."""
    webhook: str | None
    """The URL that receives the outcome."""
    metadata: dict[str, Any] | None
    """Returned unchanged with the explanation."""
    idempotency_key: str | None
    """Requests with the same key give the same explanation. Default: a new key per call."""


def given(options: RequestOptions) -> dict[str, Any]:
    """Return the options that have a value."""
    return {field: value for field, value in options.items() if value is not None}
