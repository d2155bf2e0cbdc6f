"""The model version of a project, as Label Studio stores it with each prediction.

Label Studio does not ask again for a task that has a prediction of the current version, so
everything that a prediction depends on is part of it.
"""

import hashlib
from importlib import metadata

from seewhy.catalog.model_spec import ModelSpec
from seewhy_api.label_studio.options import BackendOptions

_DIGEST_DIGITS = 10


def model_version(spec: ModelSpec, options: BackendOptions, label_config: str) -> str:
    """Return a readable version, such as `vgg16 gradcam 0.15 1f0c9a2b4d`, or with a layer.

    The digest stands for the weights, all options but the wait, the label config and the release.
    """
    parts = (
        metadata.version("seewhy"),
        spec.fingerprint,
        options.model_dump_json(exclude={"wait_s", "model"}),
        label_config,
    )
    digest = hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
    layer = (options.layer,) if options.layer else ()
    names = (spec.name, options.method, *layer, str(options.threshold), digest[:_DIGEST_DIGITS])
    return " ".join(names)
