"""Values of fields, ids, keys, headers, and routes."""

from collections.abc import Iterable
from uuid import uuid4

from bad_inputs.case import JPEG, PNG, URL, Case, fields_case, upload


def parameters() -> Iterable[Case]:
    for fields in (
        {"targets": [-1]},
        {"targets": [1000]},
        {"targets": [2**63]},
        {"targets": "true"},
        {"targets": [True]},
        {"targets": ["x" * 60_000]},
        {"targets": "top:21"},
        {"layer": "a/b"},
        {"layer": "../../x"},
        {"layer": ["x"] * 100},
        {"method": "../etc"},
        {"method": "x" * 60_000},
        {"method": ["gradcam"]},
        {"model": "x" * 60_000},
        {"model": 1},
        {"fallback": ["gradcam"] * 1_000},
        {"steps": 10**9},
        {"image_url": "http://169.254.169.254/"},
        {"box": {"x": 1e308, "y": 0, "width": 1, "height": 1}},
        {"deadline_s": 1e308},
        {"deadline_s": -1},
        {"deadline_s": "5"},
        {"cache": 0},
        {"cache": "yes"},
        {"box": {"x": "0", "y": 0, "width": 1, "height": 1}, "outputs": ["trust"]},
        {"targets": [1.5]},
        {"outputs": ["overlay"] * 100},
        {"priority": "root"},
        {"metadata": [1]},
        {"metadata": {"x": "y" * 5_000}},
    ):
        yield fields_case("field", fields, 422)
    for query in ("wait=-1", "wait=NaN", "wait=1e9", f"wait={'0' * 9_000}", "wait=%00", "wait=٣"):
        yield Case(query[:20], {202, 400, 422}, upload(JPEG), path=f"{URL}?{query}")


MALFORMED_URLS = (
    "file:///etc/passwd",
    "gopher://a/",
    "ftp://a/",
    "data:text/plain,a",
    "//a/",
    "https://good@169.254.169.254/",
    "https://a%00.example/",
    "https://a\\b.example/",
    "https://a.example/#b",
    "https://a.example:99999/",
    "https://[::1",
    "https://a.example/\r\nX: 1",
    "https://bücher.example/",
    "https://ⓔxample.com/",
    "https://",
    "https://a.example/" + "x" * 3_000,
)


def webhook_urls() -> Iterable[Case]:
    for url in MALFORMED_URLS:
        yield fields_case("webhook", {"webhook": url}, 422)
    # Their form is valid. The dispatcher refuses the addresses when it has resolved them.
    for host in (
        "169.254.169.254",
        "127.1",
        "2130706433",
        "[::ffff:169.254.169.254]",
        "localhost.",
    ):
        yield fields_case("webhook", {"webhook": f"https://{host}/"}, 202)


def ids() -> Iterable[Case]:
    for job in (
        "no-such-job",
        "00000000-0000-0000-0000-000000000000",
        "0190163D-8694-739B-AEA5-966C26F8AD91",
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e",
        "a%0d%0aX:%201",
        "a%00b",
        "%ff%fe",
        "'%20OR%201=1--",
        "{seewhy}:due",
        "*",
        "x" * 15_000,
        "😀",
    ):
        for rest in ("", "/events", "/overlay", "/map.npy"):
            yield Case(f"{job[:30]}{rest}", {400, 404}, method="GET", path=f"{URL}/{job}{rest}")
        yield Case(f"cancel {job[:30]}", {400, 404}, path=f"{URL}/{job}/cancel")
    yield Case("an id of 1 MB", {431}, method="GET", path=f"{URL}/{'x' * 1_000_000}")


def keys() -> Iterable[Case]:
    for key, statuses in (
        ("", {422}),
        ("k" * 256, {422}),
        (str(uuid4()).ljust(255, "k"), {202}),  # mutated requests may use it first
        ("\u00e9", {202, 422}),
        ("a b", {202}),
    ):
        headers = (("Idempotency-Key", key),)
        yield Case(f"key {key[:10]!r}", statuses, upload(JPEG), headers=headers)
    first = (("Idempotency-Key", f"the same {uuid4()}"),)  # mutated requests may use it first
    yield Case("a key", {202}, upload(JPEG), headers=first)
    yield Case("the key with another request", {422}, upload(PNG), headers=first)


def routes_and_headers() -> Iterable[Case]:
    for method, path, status in (
        ("GET", "/nothing", 404),
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/models/", 404),
        ("GET", f"{URL}/", 404),
        ("GET", "/v1/models/" + "x" * 10_000, 404),
        ("GET", "/static/../../etc/passwd", 404),
        ("GET", "/v1/models/..%2f..%2fetc%2fpasswd", 404),
        ("GET", URL, 422),
        ("GET", f"{URL}?ids=", 422),
        ("GET", f"{URL}?ids=" + "x," * 200, 422),
        ("PUT", URL, 405),
        ("DELETE", "/v1/models", 405),
        ("PATCH", "/healthz", 405),
        ("TRACE", "/healthz", 405),
        ("BREW", "/healthz", 405),
    ):
        yield Case(f"{method} {path[:40]}", {status}, method=method, path=path)
    for name, value, statuses in (
        ("X-Forwarded-For", "127.0.0.1", {200}),
        ("X-Forwarded-Host", "evil.example", {200}),
        ("Range", "bytes=0-1", {200}),
        ("Accept", "x" * 10_000, {200}),
        ("X", "x" * 20_000, {431}),
        ("Cookie", "a=" + "x" * 10_000, {200}),
        ("Transfer-Encoding", "gzip", {501}),
        ("Origin", "https://evil.example", {200}),
        ("Sec-Fetch-Site", "cross-site", {200}),
    ):
        headers = ((name, value),)
        yield Case(name, statuses, method="GET", path="/v1/models", headers=headers)
    many = tuple((f"X-{n}", "a") for n in range(100))
    yield Case("100 headers", {200}, method="GET", path="/v1/models", headers=many)
    cross_site = (("Origin", "https://evil.example"),)
    yield Case("another origin", {403}, upload(JPEG), headers=cross_site)
    for query in ("alpha=NaN", "alpha=2", "map=-1", "colormap=x", "x=1", f"target={'x' * 9_000}"):
        path = f"{URL}/no-such-job/overlay?{query}"
        yield Case(query[:20], {404, 422}, method="GET", path=path)
