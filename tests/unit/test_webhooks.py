"""Where a webhook may be sent, and the secrets it is signed with."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seewhy.schemas.webhook_url import (
    URL_LIMIT,
    generate_secret,
    origin_of,
    parse_secrets,
    parse_webhook_url,
    validate_webhook_url,
)

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
def test_an_origin_is_scheme_host_and_port_in_one_spelling(url: str) -> None:
    assert origin_of(url) == ORIGINS[url]
    assert validate_webhook_url(url) == url


@pytest.mark.parametrize("url", REFUSED)
def test_a_url_that_parsers_could_read_differently_is_refused_with_the_reason(url: str) -> None:
    for refuse in (validate_webhook_url, origin_of):
        with pytest.raises(ValueError, match=REFUSED[url]):
            refuse(url)


def test_path_and_query_are_sent_as_they_were_written() -> None:
    assert parse_webhook_url("https://h/a%2Fb;c//d/../?q=%00&r").target == "/a%2Fb;c//d/../?q=%00&r"
    assert parse_webhook_url("https://h?q").target == "/?q"


def test_the_longest_url_is_allowed() -> None:
    longest = "https://h/".ljust(URL_LIMIT, "a")
    assert validate_webhook_url(longest) == longest


@given(st.text())
def test_any_text_is_either_refused_or_has_an_origin_that_is_its_own_origin(text: str) -> None:
    for url in (text, f"https://{text}", f"https://h/{text}"):
        try:
            origin = origin_of(url)
        except ValueError:
            continue
        assert origin_of(origin) == origin


def test_secrets_are_split_at_commas() -> None:
    first, second = generate_secret(), generate_secret()
    assert parse_secrets(f" {first}, {second},") == (first, second)


@pytest.mark.parametrize("length", [24, 64])
def test_a_secret_has_24_to_64_bytes(length: int) -> None:
    secret = "whsec_" + base64.b64encode(bytes(length)).decode()
    assert parse_secrets(secret) == (secret,)


@pytest.mark.parametrize(
    "text",
    [
        "whsec_" + base64.b64encode(bytes(23)).decode(),
        "whsec_" + base64.b64encode(bytes(65)).decode(),
        base64.b64encode(bytes(32)).decode(),
        "whsec_" + "*" * 44,
        "whsec_" + "A" * 41,
        "whsec_" + "é" * 44,
        "hunter2",
    ],
)
def test_what_is_not_a_secret_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="secret 2 of 2 is not whsec_") as caught:
        parse_secrets(f"{generate_secret()},{text}")
    assert text not in str(caught.value)


def test_nothing_is_not_a_list_of_secrets() -> None:
    with pytest.raises(ValueError, match="names no secret"):
        parse_secrets(" , ")
