"""Which URLs are accepted for webhooks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seewhy.schemas.http_url import URL_LIMIT, parse_http_url, validate_http_url

ORIGINS = {
    "https://example.com": "https://example.com:443",
    "HTTPS://Example.COM/Hook?a=B": "https://example.com:443",
    "https://example.com:/x": "https://example.com:443",
    "http://example.com/": "http://example.com:80",
    "https://example.com:8443/": "https://example.com:8443",
    "https://[2606:4700:0::1111]/": "https://[2606:4700::1111]:443",
    "https://xn--bcher-kva.example/": "https://xn--bcher-kva.example:443",
    "http://127.1/": "http://127.1:80",
    "http://my_service.internal./": "http://my_service.internal.:80",
}

REFUSED = {
    "": "form",
    "example.com/hook": "form",
    "//example.com/": "form",
    "https:example.com": "form",
    "file:///etc/passwd": "form",
    "ftp://example.com/": "form",
    "gopher://example.com/": "form",
    "data:text/plain,x": "form",
    "https:///hook": "host",
    "https://?x": "host",
    "https://a..b/": "host",
    "https://%00/": "host",
    "https://exa%6dple.com/": "host",
    "https://[::1]evil/": "host",
    "https://[::1": "IPv6",
    "https://[:::1]/": "IPv6",
    "https://[fe80::1%25eth0]/": "host",
    "https://example.com:0/": "port",
    "https://example.com:65536/": "port",
    "https://example.com:-1/": "port",
    "https://example.com:80:80/": "port",
    "https://good.example@169.254.169.254/": "credentials",
    "https://@example.com/": "credentials",
    "https://example.com\\@169.254.169.254/": "characters",
    "https://example.com/#x": "fragment",
    "https://169.254.169.254#@example.com/": "fragment",
    "https://example.com/#": "fragment",
    "https://example.com/a b": "characters",
    "https://example.com/\r\nHost: x": "characters",
    "https://exam\tple.com/": "characters",
    " https://example.com/": "characters",
    "https://example.com/\x00": "characters",
    "https://еxample.com/": "characters",  # noqa: RUF001  (a homograph: the first e is Cyrillic)
    "https://example.com:８０/": "characters",  # noqa: RUF001
    f"https://example.com/{'a' * URL_LIMIT}": "2,048",
    f"https://{'a' * 64}.example/": "host",
    f"https://{'a.' * 128}example/": "host",
}


@pytest.mark.parametrize("url", ORIGINS)
def test_an_origin_is_normalized_to_scheme_host_and_port(url: str) -> None:
    assert parse_http_url(url).origin == ORIGINS[url]
    assert validate_http_url(url) == url


@pytest.mark.parametrize("url", REFUSED)
def test_an_invalid_url_is_refused_with_the_reason(url: str) -> None:
    for refuse in (validate_http_url, parse_http_url):
        with pytest.raises(ValueError, match=REFUSED[url]):
            refuse(url)


def test_path_and_query_are_not_changed() -> None:
    assert parse_http_url("https://h/a%2Fb;c//d/../?q=%00&r").target == "/a%2Fb;c//d/../?q=%00&r"
    assert parse_http_url("https://h?q").target == "/?q"


def test_a_url_of_the_maximum_length_is_accepted() -> None:
    longest = "https://h/".ljust(URL_LIMIT, "a")
    assert validate_http_url(longest) == longest


@given(st.text())
def test_any_text_is_refused_or_has_a_stable_origin(text: str) -> None:
    for url in (text, f"https://{text}", f"https://h/{text}"):
        try:
            origin = parse_http_url(url).origin
        except ValueError:
            continue
        assert parse_http_url(origin).origin == origin
