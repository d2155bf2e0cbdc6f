"""An API that listens on an IPv6 address."""

import pytest

from seewhy.access.policy import is_loopback
from seewhy.embedded.readiness import api_url
from seewhy.settings import load
from seewhy_api.server import Server


@pytest.mark.parametrize("written", ["::1", "[::1]"])
def test_the_loopback_address_is_bound_and_needs_no_key(written: str) -> None:
    settings = load({"SEEWHY_API_HOST": written})
    assert Server(settings).cfg.address == [("::1", 8000)]
    assert is_loopback(settings.api_host)
    assert api_url(settings) == "http://[::1]:8000"


def test_all_addresses_are_reached_by_the_loopback_address() -> None:
    settings = load({"SEEWHY_API_HOST": "::"})
    assert Server(settings).cfg.address == [("::", 8000)]
    assert not is_loopback(settings.api_host)
    assert api_url(settings) == "http://[::1]:8000"
