"""Finding, downloading and verifying weights. A mock transport replaces the server."""

import hashlib
from pathlib import Path

import httpx2
import pytest

from optionals import present
from seewhy.catalog import weights
from seewhy.catalog.catalog import Catalog
from seewhy.catalog.model_files import RandomWeights, WeightsFile
from seewhy.catalog.model_spec import ModelSpec
from seewhy.errors import WeightsCorrupt, WeightsNotFound
from seewhy.settings import Settings, load

BODY = b"weights" * 1_000_000
FILE = "vgg16_weights_tf_dim_ordering_tf_kernels.h5"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def vgg16() -> ModelSpec:
    digest = f"md5:{hashlib.md5(BODY, usedforsecurity=False).hexdigest()}"
    published = WeightsFile(file=FILE, url=f"https://weights.example/{FILE}", digest=digest)
    return Catalog.load(load({})).get("vgg16").model_copy(update={"weights": published})


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load({}, model_dir=tmp_path / "models")


def quiet(done: int, total: int | None) -> None:
    pass


def serving(body: bytes) -> httpx2.MockTransport:
    return httpx2.MockTransport(lambda request: httpx2.Response(200, content=body))


def refusing(request: httpx2.Request) -> httpx2.Response:
    raise httpx2.ConnectTimeout("timed out", request=request)


def test_a_shipped_model_is_found_next_to_the_catalog_and_verified() -> None:
    spec = Catalog.load(load({})).get("efficientnet-lite0")
    assert weights.obtain_weights(spec, load({}), progress=quiet) == spec.folder / spec.source


def test_the_model_directory_precedes_the_cache_of_keras(
    vgg16: ModelSpec, settings: Settings, home: Path
) -> None:
    assert weights.find_weights(vgg16, settings) is None
    cached = home / ".keras" / "models" / FILE
    cached.parent.mkdir(parents=True)
    cached.write_bytes(BODY)
    assert weights.find_weights(vgg16, settings) == cached
    local = present(settings.model_dir) / FILE
    local.parent.mkdir()
    local.write_bytes(BODY)
    assert weights.obtain_weights(vgg16, settings, progress=quiet) == local


def test_random_weights_need_no_file(vgg16: ModelSpec, settings: Settings) -> None:
    random = vgg16.model_copy(update={"weights": RandomWeights(random_seed=1)})
    assert weights.obtain_weights(random, settings, progress=quiet) is None


def test_a_file_with_the_wrong_digest_is_refused(vgg16: ModelSpec, settings: Settings) -> None:
    path = present(settings.model_dir) / FILE
    path.parent.mkdir()
    path.write_bytes(BODY[:-1])
    with pytest.raises(WeightsCorrupt, match=r"the md5 of .*Delete the file"):
        weights.obtain_weights(vgg16, settings, progress=quiet)


def test_a_download_is_complete_and_reports_progress(vgg16: ModelSpec, settings: Settings) -> None:
    steps: list[tuple[int, int | None]] = []
    found = weights.obtain_weights(
        vgg16, settings, progress=lambda *step: steps.append(step), transport=serving(BODY)
    )
    path = present(found)
    assert path == present(settings.model_dir) / FILE
    assert path.read_bytes() == BODY
    assert [entry.name for entry in path.parent.iterdir()] == [FILE]
    assert steps[0] == (0, len(BODY))
    assert steps[-1] == (len(BODY), len(BODY))
    assert [done for done, _ in steps] == sorted({done for done, _ in steps})


def test_without_a_model_directory_a_download_goes_to_the_cache_of_keras(
    vgg16: ModelSpec, home: Path
) -> None:
    path = weights.download_weights(vgg16, load({}), progress=quiet, transport=serving(BODY))
    assert path == home / ".keras" / "models" / FILE


def test_a_corrupt_download_leaves_no_file(vgg16: ModelSpec, settings: Settings) -> None:
    with pytest.raises(WeightsCorrupt):
        weights.download_weights(vgg16, settings, progress=quiet, transport=serving(BODY[1:]))
    assert list(present(settings.model_dir).iterdir()) == []


def test_an_unreachable_host_leaves_no_file_and_names_two_remedies(
    vgg16: ModelSpec, settings: Settings
) -> None:
    with pytest.raises(WeightsNotFound) as caught:
        weights.obtain_weights(
            vgg16, settings, progress=quiet, transport=httpx2.MockTransport(refusing)
        )
    assert "set SEEWHY_MODEL_DIR" in str(caught.value)
    assert f"access to https://weights.example/{FILE}" in str(caught.value)
    assert isinstance(caught.value.__cause__, httpx2.ConnectTimeout)
    assert list(present(settings.model_dir).iterdir()) == []


def test_an_http_error_is_reported_as_weights_not_found(
    vgg16: ModelSpec, settings: Settings
) -> None:
    absent = httpx2.MockTransport(lambda request: httpx2.Response(404))
    with pytest.raises(WeightsNotFound, match="404"):
        weights.download_weights(vgg16, settings, progress=quiet, transport=absent)


def test_an_unwritable_folder_is_reported_with_the_remedies(
    vgg16: ModelSpec, tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(WeightsNotFound, match=r"FileExistsError.*SEEWHY_MODEL_DIR"):
        weights.download_weights(
            vgg16, load({}, model_dir=blocked), progress=quiet, transport=serving(BODY)
        )


def test_the_connect_timeout_is_ten_seconds(vgg16: ModelSpec, settings: Settings) -> None:
    limits: list[float] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        limits.append(request.extensions["timeout"]["connect"])
        return httpx2.Response(200, content=BODY)

    weights.download_weights(
        vgg16, settings, progress=quiet, transport=httpx2.MockTransport(handler)
    )
    assert limits == [10.0]


def test_a_missing_keras_file_is_searched_for_in_the_model_directory(
    tmp_path: Path, settings: Settings
) -> None:
    lite0 = Catalog.load(load({})).get("efficientnet-lite0")
    moved = lite0.model_copy(update={"folder": tmp_path})
    with pytest.raises(WeightsNotFound, match=r"efficientnet-lite0\.keras.*SEEWHY_MODEL_DIR"):
        weights.obtain_weights(moved, settings, progress=quiet)
    local = present(settings.model_dir) / lite0.source
    local.parent.mkdir()
    local.symlink_to(lite0.folder / lite0.source)
    assert weights.obtain_weights(moved, settings, progress=quiet) == local
