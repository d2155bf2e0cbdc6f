"""Read the bundle of a model."""

from collections.abc import Callable

from seewhy.catalog.model_spec import ModelSpec
from seewhy.schemas.engines import EngineChoice
from seewhy_worker.bundles.graphs import BundledGraphs
from seewhy_worker.bundles.identity import bundle_identity, why_no_bundle
from seewhy_worker.bundles.network import BundledNetwork
from seewhy_worker.bundles.store import BundleStore, BundleUnusable
from seewhy_worker.ports.graphs import Graphs


def read_bundle(
    store: BundleStore,
    spec: ModelSpec,
    *,
    engine: EngineChoice,
    threads: int,
    load_others: Callable[[str], Graphs],
) -> BundledGraphs:
    """Return the graphs in the bundle of a model, for workers with this setting of the engine.

    They run on `threads` threads, 0 for one per core. `load_others` is that of `BundledGraphs`.
    Raises `BundleUnusable`.
    """
    if reason := why_no_bundle(spec):
        raise BundleUnusable(reason)
    contents, folder = store.read(spec.name, bundle_identity(spec, engine))
    network = BundledNetwork(contents, folder, threads=threads)
    return BundledGraphs(network, load_others=load_others)
