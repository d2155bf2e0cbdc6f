"""A worker tries the files of the operator's catalog in a child process before it loads them."""

import hashlib
import weakref
from pathlib import Path
from typing import Any

import pytest

import hostile_models as hostile
from seewhy.catalog.catalog import Catalog
from seewhy.errors import DeviceNotFound, UnsupportedModel, WeightsCorrupt
from seewhy.settings import Settings, load
from seewhy_worker import keras_models
from seewhy_worker.model_check import catalog_file
from seewhy_worker.model_check.catalog_file import needs_check
from seewhy_worker.model_check.request import CheckRequest
from seewhy_worker.model_loader import GRAPHS_BYTES, CatalogModels

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def registered(
    path: Path, *, side_px: int = 160, labels: str = "a\nb\n", **settings: Any
) -> Settings:
    """Write a catalog with the file as the model `mine`."""
    catalog = path.with_name("models.toml")
    path.with_name("labels.txt").write_text(labels)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    catalog.write_text(
        f'[mine]\nsource = "{path.name}"\nsha256 = "{digest}"\n'
        f"input = {{ height_px = {side_px}, width_px = {side_px} }}\n"
        'preprocessing = { kind = "scale", mean = 0.0, std = 1.0 }\nlabels_file = "labels.txt"\n'
    )
    return load({}, models_file=catalog, worker_models="mine", bundles=False, **settings)


def load_mine(settings: Settings) -> None:
    CatalogModels(settings).load("mine")


def test_a_worker_refuses_a_gpu_that_tensorflow_does_not_find() -> None:
    with pytest.raises(DeviceNotFound, match="TensorFlow does not find gpu:0"):
        CatalogModels(load({}, worker_device="gpu:0"))


def test_a_worker_refuses_a_file_that_exceeds_the_limits_of_the_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = hostile.write_attention(tmp_path / "mine.keras", side_px=160)
    monkeypatch.setattr(keras_models, "load_explainer", None)
    with pytest.raises(UnsupportedModel, match=r"took longer than 10 s|1\.0 GB"):
        load_mine(registered(path, model_memory_bytes=1_000_000_000, model_check_timeout_s=10))


def test_a_dropped_model_is_freed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog_file, "check_in_child", lambda _: [])
    path = hostile.write_network(tmp_path / "mine.keras")
    source = CatalogModels(
        registered(path, side_px=12, labels="a\nb\nc\nd\ne\n", activation_cache_bytes=1_000_000)
    )
    expected = 3 * path.stat().st_size + GRAPHS_BYTES + 1_000_000
    assert source.expected_bytes("mine") == expected
    explainer = source.load("mine")
    assert 1_000_000 < explainer.memory_bytes < expected
    parts = [weakref.ref(part) for part in (explainer, explainer.graphs, explainer._runner)]
    del explainer
    source.release_memory()
    assert [part() for part in parts] == [None] * 3


def test_a_worker_refuses_a_file_that_changes_during_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = hostile.write_network(tmp_path / "mine.keras")
    settings = registered(path)
    requests: list[CheckRequest] = []

    def check(request: CheckRequest) -> list[str]:
        requests.append(request)
        hostile.truncate(path, 0.5)
        return []

    monkeypatch.setattr(catalog_file, "check_in_child", check)
    with pytest.raises(WeightsCorrupt, match="but the catalog has"):
        load_mine(settings)
    assert [request.path for request in requests] == [path]
    assert requests[0].size == (160, 160)


def test_only_files_of_the_operator_are_tried(tmp_path: Path) -> None:
    settings = registered(hostile.write_network(tmp_path / "mine.keras"))
    catalog = Catalog.load(settings)
    assert needs_check(catalog.get("mine"), settings)
    assert not needs_check(catalog.get("efficientnet-lite0"), settings)
    assert not needs_check(catalog.get("vgg16"), settings)
    renamed = catalog.get("efficientnet-lite0").model_copy(update={"sha256": "0" * 64})
    assert needs_check(renamed, settings)
