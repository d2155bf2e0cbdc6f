"""A model that starts from its bundle explains as with TensorFlow, which it imports when needed."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import hostile_models as hostile
import networks
from seewhy.catalog.model_spec import ModelSpec
from seewhy.schemas.job import MethodOptions
from seewhy.schemas.methods import METHODS
from seewhy.schemas.targets import Target
from seewhy.settings import load
from seewhy_worker.bundles.graphs import BundledGraphs
from seewhy_worker.bundles.identity import bundle_identity
from seewhy_worker.bundles.network import BundledNetwork
from seewhy_worker.bundles.reading import read_bundle
from seewhy_worker.bundles.store import BundleStore, BundleUnusable
from seewhy_worker.bundles.writing import write_bundle
from seewhy_worker.cam.methods import find_method
from seewhy_worker.explain.keras_explainer import KerasExplainer
from seewhy_worker.explain.model_explainer import ModelExplainer
from seewhy_worker.explain.types import ExplanationTask, ImageExplanation
from seewhy_worker.keras_backend import score_derivatives
from seewhy_worker.keras_backend.devices import engine_name
from seewhy_worker.model_check import catalog_file
from seewhy_worker.model_loader import CatalogModels
from seewhy_worker.openvino_backend import compiled_model
from seewhy_worker.ports.graphs import Graphs

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

TOLERANCE = 1e-4
"""Of a map's largest magnitude."""
TARGETS = (Target(index=-1), Target(index=2, rivals=(-1, 0)), Target(index=-2, against=True))

EXPLAIN_FROM_THE_BUNDLE = """
import json, sys
import numpy as np
from pathlib import Path
from seewhy.settings import load
from seewhy_worker.app import create_worker
from seewhy_worker.explain.types import ExplanationTask
from seewhy_worker.model_loader import CatalogModels

settings = load({}, **json.loads(sys.argv[1]))
explainer = CatalogModels(settings).load("mine")
image = np.arange(30 * 40 * 3, dtype=np.uint8).reshape(30, 40, 3)
(explanation,) = explainer.explain([ExplanationTask.create(explainer.prepare(image), [-1])])
modules = sorted({"keras", "tensorflow", "openvino"} & sys.modules.keys())
print(json.dumps([modules, explanation.maps.tolist()]))
"""


def bypassed_network() -> keras.Model:
    """Build a network whose layer `conv2` is bypassed, with a square dense layer in its head."""
    image = networks.image_input()
    first = networks.conv(4, "conv1", 1)(image)
    second = layers.Conv2D(
        4,
        3,
        padding="same",
        activation="relu",
        name="conv2",
        kernel_initializer=networks.seeded_initializer(2),
    )(first)
    hidden = layers.MaxPooling2D()(layers.Add()([first, second]))
    hidden = layers.Flatten()(hidden)
    for seed in (3, 4):
        hidden = networks.dense(16, f"fc{seed}", seed, "relu")(hidden)
    return keras.Model(image, networks.dense(5, "scores", 5)(hidden))


class Loads:
    """Counts how often TensorFlow was needed, and why."""

    def __init__(self, explainer: KerasExplainer) -> None:
        self._graphs = explainer.graphs
        self.reasons: list[str] = []

    def __call__(self, reason: str) -> Graphs:
        self.reasons.append(reason)
        return self._graphs


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> KerasExplainer:
    explainer = networks.make_explainer(
        bypassed_network(), tmp_path_factory.mktemp("catalog"), layer="conv2"
    )
    explainer.choose_engine("openvino")
    return explainer


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, loaded: KerasExplainer) -> BundleStore:
    bundles = BundleStore(tmp_path_factory.mktemp("home") / "bundles")
    write_bundle(bundles, loaded.spec, engine="auto", graphs=loaded.graphs)
    return bundles


@pytest.fixture
def loads(loaded: KerasExplainer) -> Loads:
    return Loads(loaded)


@pytest.fixture
def bundled(store: BundleStore, loaded: KerasExplainer, loads: Loads) -> ModelExplainer:
    graphs = read_bundle(store, loaded.spec, engine="auto", threads=1, load_others=loads)
    return ModelExplainer(spec=loaded.spec, graphs=graphs, device="cpu", max_batch=4)


def explain(explainer: ModelExplainer, **options: Any) -> list[ImageExplanation]:
    images = map(explainer.prepare, networks.random_images(3, seed=4))
    tasks = [
        ExplanationTask.create(image, TARGETS[: index + 1], MethodOptions(**options))
        for index, image in enumerate(images)
    ]
    return explainer.explain(tasks)


def assert_equal(found: list[ImageExplanation], expected: list[ImageExplanation]) -> None:
    for one, other in zip(found, expected, strict=True):
        peak = max(float(np.abs(other.maps).max()), 1e-12)
        np.testing.assert_allclose(one.maps, other.maps, atol=TOLERANCE * peak)
        assert [score.index for score in one.top] == [score.index for score in other.top]
        for target, same in zip(one.targets, other.targets, strict=True):
            assert target.verdict == same.verdict
            assert target.score.index == same.score.index
            assert [each.index for each in target.rivals] == [each.index for each in same.rivals]
            assert target.score.logit == pytest.approx(same.score.logit, rel=1e-4)
        assert one.layer == other.layer
        assert one.stride_px == other.stride_px


@pytest.mark.parametrize("score", ["logit", "probability"])
@pytest.mark.parametrize("method", [name for name in METHODS if find_method(name).single_pass])
def test_methods_of_one_pass_explain_as_with_tensorflow_and_without_it(
    bundled: ModelExplainer, loaded: KerasExplainer, loads: Loads, method: str, score: str
) -> None:
    assert_equal(
        explain(bundled, method=method, score=score), explain(loaded, method=method, score=score)
    )
    assert loads.reasons == []


@pytest.mark.parametrize(
    "options",
    [{"method": "ablationcam"}, {"method": "smoothgrad"}, {"layers": ("conv1",)}],
    ids=["ablationcam", "smoothgrad", "another layer"],
)
def test_what_the_bundle_lacks_is_explained_with_tensorflow(
    bundled: ModelExplainer, loaded: KerasExplainer, loads: Loads, options: dict[str, Any]
) -> None:
    for _ in range(2):
        assert_equal(explain(bundled, **options), explain(loaded, **options))
    assert len(loads.reasons) == 1


@pytest.mark.parametrize(
    ("options", "others"),
    [
        ({"method": "gradcam"}, ()),
        ({"method": "scorecam"}, ()),
        ({"layers": ("conv1",)}, ()),
        ({"method": "smoothgrad"}, (engine_name(),)),
        ({"method": "guided-gradcam"}, (engine_name(),)),
    ],
    ids=lambda value: next(iter(value.values()), "") if isinstance(value, dict) else "",
)
def test_an_explanation_names_what_computed_its_passes_through_the_body(
    bundled: ModelExplainer,
    loaded: KerasExplainer,
    options: dict[str, Any],
    others: tuple[str, ...],
) -> None:
    for explainer in (bundled, loaded):
        (first, *_) = explain(explainer, **options)
        assert first.engines == (loaded.engine, *others)
        assert first.engines[0].startswith("openvino ")


def test_probabilities_and_trust_scores_need_no_tensorflow(
    bundled: ModelExplainer, loaded: KerasExplainer, loads: Loads
) -> None:
    pixels = np.stack([bundled.prepare(one).pixels for one in networks.random_images(3)])

    np.testing.assert_allclose(
        bundled.probabilities(pixels), loaded.probabilities(pixels), rtol=1e-3, atol=1e-6
    )
    (first, *_), (expected, *_) = (explain(one, trust=True) for one in (bundled, loaded))
    for one, other in zip(first.targets, expected.targets, strict=True):
        assert one.trust is not None
        assert other.trust is not None
        assert one.trust.insertion == pytest.approx(other.trust.insertion, rel=1e-4)
        assert one.trust.deletion == pytest.approx(other.trust.deletion, rel=1e-4)
    assert loads.reasons == []


def test_one_copy_of_a_large_body_serves_all_batch_sizes(
    store: BundleStore, loaded: KerasExplainer, loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled_model, "FIXED_BATCH_BYTES", 0)
    graphs = read_bundle(store, loaded.spec, engine="auto", threads=1, load_others=loads)
    large = ModelExplainer(spec=loaded.spec, graphs=graphs, device="cpu", max_batch=4)
    assert_equal(explain(large), explain(loaded))
    assert loads.reasons == []
    network = BundledNetwork(*store.read(loaded.spec.name, bundle_identity(loaded.spec, "auto")))
    assert network.compile_body(1) is network.compile_body(4)


def test_kept_activations_serve_other_methods(store: BundleStore, loaded: KerasExplainer) -> None:
    graphs = read_bundle(store, loaded.spec, engine="auto", threads=1, load_others=Loads(loaded))
    keeping = ModelExplainer(
        spec=loaded.spec, graphs=graphs, device="cpu", max_batch=4, activation_cache_bytes=10**6
    )
    image = keeping.prepare(networks.random_images(1)[0])
    image = type(image)(image.pixels, image.covers, cache_key="one")

    def run(method: str) -> ImageExplanation:
        options = MethodOptions(method=method)
        return keeping.explain([ExplanationTask.create(image, [1], options)])[0]

    assert [run("gradcam").body, run("layercam").body] == ["computed", "cached"]
    assert_equal([run("ablationcam")], [_alone(loaded, image, "ablationcam")])


def _alone(explainer: ModelExplainer, image: Any, method: str) -> ImageExplanation:
    return explainer.explain([ExplanationTask.create(image, [1], MethodOptions(method=method))])[0]


def test_a_bundle_stands_for_one_entry_and_one_setting_of_the_engine(
    store: BundleStore, loaded: KerasExplainer, loads: Loads
) -> None:
    read = partial(read_bundle, store, threads=1, load_others=loads)
    assert isinstance(read(loaded.spec, engine="auto"), BundledGraphs)
    changes: list[Callable[[ModelSpec], ModelSpec]] = [
        lambda spec: spec.model_copy(update={"sha256": "1" * 64}),
        lambda spec: spec.model_copy(update={"layer": "conv1"}),
        lambda spec: spec.model_copy(update={"modules": ("my_layers",)}),
    ]
    for change in changes:
        other = change(ModelSpec(**loaded.spec.model_dump()))
        with pytest.raises(BundleUnusable):
            read(other, engine="auto")
    with pytest.raises(BundleUnusable):
        read(loaded.spec, engine="openvino-bfloat16")


def test_heads_with_other_maps_are_left_out(
    tmp_path: Path, loaded: KerasExplainer, monkeypatch: pytest.MonkeyPatch, loads: Loads
) -> None:
    compute = score_derivatives.score_derivatives

    def wrong_curvature(model: Any, kind: Any, cut: Any, targets: Any) -> list[Any]:
        found = compute(model, kind, cut, targets)
        return [*found[:-1], 2 * found[-1]] if kind.order == 2 else found

    monkeypatch.setattr(
        "seewhy_worker.openvino_backend.joint_conversion.score_derivatives", wrong_curvature
    )
    store = BundleStore(tmp_path / "bundles")
    write_bundle(store, loaded.spec, engine="auto", graphs=loaded.graphs)
    graphs = read_bundle(store, loaded.spec, engine="auto", threads=1, load_others=loads)
    explainer = ModelExplainer(spec=loaded.spec, graphs=graphs, device="cpu", max_batch=4)

    options = {"method": "shapleycam", "score": "probability"}
    assert_equal(explain(explainer, **options), explain(loaded, **options))

    assert loads.reasons == ["shapleycam"]


def test_no_bundle_is_written_when_another_engine_computes_the_body(
    tmp_path: Path, loaded: KerasExplainer
) -> None:
    by_tensorflow = networks.make_explainer(bypassed_network(), tmp_path, layer="conv2")

    with pytest.raises(BundleUnusable, match="tensorflow 2"):
        write_bundle(
            BundleStore(tmp_path / "bundles"),
            by_tensorflow.spec,
            engine="auto",
            graphs=by_tensorflow.graphs,
        )

    assert not (tmp_path / "bundles").exists()


def test_the_second_start_of_a_worker_imports_no_tensorflow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog_file, "check_in_child", lambda _: [])
    path = hostile.write_network(tmp_path / "mine.keras")
    path.with_name("labels.txt").write_text("a\nb\nc\nd\ne\n")
    catalog = path.with_name("models.toml")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    catalog.write_text(
        f'[mine]\nsource = "mine.keras"\nsha256 = "{digest}"\n'
        "input = { height_px = 12, width_px = 12 }\nmax_batch = 2\n"
        'preprocessing = { kind = "scale" }\nlabels_file = "labels.txt"\n'
    )
    settings = {
        "models_file": str(catalog),
        "worker_models": "mine",
        "worker_engine": "openvino",
        "bundle_dir": str(tmp_path / "bundles"),
    }
    first = CatalogModels(load({}, **settings)).load("mine")
    image = np.arange(30 * 40 * 3, dtype=np.uint8).reshape(30, 40, 3)
    (expected,) = first.explain([ExplanationTask.create(first.prepare(image), [-1])])

    found = subprocess.run(
        [sys.executable, "-c", EXPLAIN_FROM_THE_BUNDLE, json.dumps(settings)],
        capture_output=True,
        text=True,
        check=True,
    )

    modules, maps = json.loads(found.stdout)
    assert modules == ["openvino"]
    np.testing.assert_allclose(maps, expected.maps, rtol=1e-4, atol=1e-6)
