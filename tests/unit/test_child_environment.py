"""Settings passed to child processes as environment variables."""

from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from seewhy.embedded.environment import as_environment
from seewhy.settings import load

names = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=20)
some_settings = st.fixed_dictionaries(
    {},
    optional={
        "redis_url": names.map("redis://:{}@127.0.0.1:7000/0".format),
        "store_url": names.map("file:///{}".format),
        "s3_endpoint": names.map("http://{}:9000".format),
        "s3_secret_access_key": names,
        "default_model": names,
        "worker_models": st.lists(names, max_size=3).map(tuple),
        "models_file": names.map(Path),
        "api_port": st.integers(0, 65535),
        "lease_s": st.floats(0.1, 3600),
    },
)


@given(some_settings)
def test_a_child_loads_the_settings_of_its_parent(given_settings: dict[str, Any]) -> None:
    if "s3_secret_access_key" in given_settings:
        given_settings = {**given_settings, "s3_access_key_id": "the key's id"}
    settings = load({}, **given_settings)

    assert load(as_environment(settings)) == settings


def test_unset_fields_are_not_passed_to_a_child() -> None:
    settings = load({}, api_port=81, s3_access_key_id="id", s3_secret_access_key="hush")  # noqa: S106

    assert as_environment(settings) == {
        "SEEWHY_API_PORT": "81",
        "SEEWHY_S3_ACCESS_KEY_ID": "id",
        "SEEWHY_S3_SECRET_ACCESS_KEY": "hush",
    }
