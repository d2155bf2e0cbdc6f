"""The page about sending images says what the code does."""

import re
from pathlib import Path

from seewhy.imaging.color_profiles import MAX_PROFILE_BYTES
from seewhy.schemas.http_url import URL_LIMIT
from seewhy.settings import PREFIX, Settings, load
from seewhy_api.http.upload_bodies import Image
from seewhy_api.outgoing.image_downloads import MAX_REDIRECTS

PAGE = (Path(__file__).parents[2] / "docs" / "sending-images.md").read_text("utf-8")


def test_every_setting_of_the_page_exists_and_takes_its_example() -> None:
    names = set(re.findall(rf"`{PREFIX}([A-Z_]+)", PAGE))
    assert names <= {field.upper() for field in Settings.model_fields}
    hosts = "photos.example.com,*.cdn.example.com:8443"
    assert f"`{PREFIX}IMAGE_URL_HOSTS` | `{hosts}`" in PAGE
    assert len(load({}, image_url_hosts=hosts).image_url_hosts) == 2
    assert len(load({}, image_buckets="photos,archive").image_buckets) == 2


def test_the_numbers_of_the_page_are_those_of_the_code() -> None:
    defaults = load({})
    for text in (
        f"`SEEWHY_IMAGE_URL_TIMEOUT_S` | `{defaults.image_url_timeout_s:.0f}`",
        f"`SEEWHY_IMAGE_URL_DOWNLOADS` | `{defaults.image_url_downloads}`",
        f"at most {URL_LIMIT:,} characters",
        f"above {MAX_PROFILE_BYTES // 1_000_000} MB",
        f"Up to {['no', 'one', 'two', 'three'][MAX_REDIRECTS]} redirects",
    ):
        assert text in PAGE, text


def test_the_answer_of_the_page_has_the_fields_of_the_route() -> None:
    (shown,) = re.findall(r'^\{"image_id".*\}$', PAGE, re.MULTILINE)
    assert set(re.findall(r'"(\w+)":', shown)) == set(Image.model_fields)
