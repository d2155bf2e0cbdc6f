"""Every route, with every kind of credentials, answers as docs/access.md says."""

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from batch_requests import item, ndjson, submit_batch
from documented_client import DocumentedClient
from http_api import MODEL, fail_next_job, finish_next_job, submit_image
from seewhy.access.api_key import ApiKey
from seewhy.access.key_store import KeyStore
from seewhy.access.records import Scope
from seewhy.ids import new_job_id
from seewhy.ledger.redis.ledger import open_ledger
from seewhy.settings import Settings, load
from seewhy.storage.obstore_adapter import open_store
from seewhy.webhook_secrets import generate_secret
from seewhy_api import flask_app
from seewhy_api.app import Api, create_api
from seewhy_api.http.auth import required_scopes
from seewhy_api.routes.label_studio_operations import LABEL_CONFIG
from seewhy_api.routes.models import create_models_blueprint
from servers.valkey import RedisServer

PAGE = Path(__file__).parents[2] / "docs" / "access.md"
EXPLANATION = "/v1/explanations/<job_id>"
BATCH = "/v1/batches/<batch_id>"


@dataclass(frozen=True)
class Row:
    """What a route answers. `scopes` are those it requires; None: it is public."""

    scopes: tuple[Scope, ...] | None
    right: int = 200
    other_tenant: int = 404


MATRIX: Mapping[str, Row] = {
    "POST /v1/explanations": Row((Scope.SUBMIT,), right=202, other_tenant=202),
    "POST /v1/images": Row((Scope.SUBMIT,), right=201, other_tenant=201),
    "GET /v1/explanations": Row((Scope.READ,), other_tenant=200),
    "GET /v1/summaries": Row((Scope.READ,), other_tenant=200),
    f"GET {EXPLANATION}": Row((Scope.READ,)),
    f"GET {EXPLANATION}/events": Row((Scope.READ,)),
    f"POST {EXPLANATION}/cancel": Row((Scope.SUBMIT, Scope.READ)),
    f"POST {EXPLANATION}/redeliver": Row((Scope.SUBMIT, Scope.READ)),
    f"GET {EXPLANATION}/overlay": Row((Scope.READ,)),
    f"GET {EXPLANATION}/heatmap": Row((Scope.READ,)),
    f"GET {EXPLANATION}/map.npy": Row((Scope.READ,)),
    f"GET {EXPLANATION}/regions": Row((Scope.READ,)),
    f"GET {EXPLANATION}/coco.json": Row((Scope.READ,)),
    f"GET {EXPLANATION}/mask.png": Row((Scope.READ,)),
    f"GET {EXPLANATION}/contours": Row((Scope.READ,)),
    f"GET {EXPLANATION}/agreement": Row((Scope.READ,), right=422),
    "POST /v1/batches": Row((Scope.SUBMIT,), right=202, other_tenant=202),
    f"GET {BATCH}": Row((Scope.READ,)),
    f"GET {BATCH}/results": Row((Scope.READ,)),
    f"GET {BATCH}/summaries": Row((Scope.READ,)),
    f"GET {BATCH}/overlays.zip": Row((Scope.READ,)),
    f"GET {BATCH}/events": Row((Scope.READ,)),
    f"POST {BATCH}/cancel": Row((Scope.SUBMIT, Scope.READ)),
    f"POST {BATCH}/retry": Row((Scope.SUBMIT, Scope.READ), right=422),
    "GET /v1/models": Row((), other_tenant=200),
    "GET /v1/models/<name>": Row((), other_tenant=200),
    "GET /v1/queues": Row((Scope.ADMIN,), other_tenant=200),
    "GET /v1/workers": Row((Scope.ADMIN,), other_tenant=200),
    "GET /v1/status": Row((Scope.READ,), other_tenant=200),
    "GET /v1/dead-letters": Row((Scope.READ,), other_tenant=200),
    "POST /v1/dead-letters/<failed_id>/retry": Row((Scope.ADMIN,), right=422),
    "POST /v1/dead-letters/<failed_id>/dismiss": Row((Scope.ADMIN,)),
    "GET /v1/keys": Row((Scope.ADMIN,), other_tenant=200),
    "POST /v1/keys/<key_id>/revoke": Row((Scope.ADMIN,)),
    "GET /label-studio/health": Row(None, other_tenant=200),
    "POST /label-studio/webhook": Row((Scope.SUBMIT,), other_tenant=200),
    "GET /label-studio/projects/<project>/agreements": Row((Scope.READ,), other_tenant=200),
    "GET /label-studio/projects/<project>/summaries": Row((Scope.READ,), other_tenant=200),
    "GET /label-studio/versions": Row((), other_tenant=200),
    "POST /label-studio/setup": Row((Scope.SUBMIT,), other_tenant=200),
    "POST /label-studio/predict": Row((Scope.SUBMIT, Scope.READ), other_tenant=200),
    "GET /healthz": Row(None, other_tenant=200),
    "GET /readyz": Row(None, other_tenant=200),
    "GET /openapi.json": Row(None, other_tenant=200),
    "GET /docs": Row(None, other_tenant=200),
    "GET /docs/<asset>": Row(None, other_tenant=200),
    "POST /explanation": Row((Scope.SUBMIT,), right=303, other_tenant=303),
    "GET /explanation/<job_id>": Row((Scope.READ,)),
    "GET /status": Row(None, other_tenant=200),
    "GET /": Row(None, other_tenant=200),
    "GET /inspector/<version_of_page>/<file>": Row(None, other_tenant=200),
}
"""Method and URL rule → what the route answers."""

LABEL_STUDIO_BODIES = {
    "POST /label-studio/setup": {"schema": LABEL_CONFIG},
    "POST /label-studio/webhook": {"action": "PROJECT_UPDATED"},
    "POST /label-studio/predict": {
        "label_config": LABEL_CONFIG,
        "tasks": [{"id": 1, "data": {"image": "s3://none/cat.jpg"}}],
    },
}
ADDRESSES = count(1)
CREDENTIALS = (
    "no key", "malformed", "wrong scheme", "in the query", "wrong secret", "unknown id", "revoked",
    "expired", *(f"without {scope}" for scope in Scope), "other tenant", "right", "right as basic",
)  # fmt: skip


@dataclass(frozen=True)
class Keys:
    """The keys of the tests. They exist before the API first looks: it sees new ones later."""

    owner: ApiKey
    """A key of tenant `a` with all scopes."""
    revoked: ApiKey
    expired: ApiKey
    stranger: ApiKey
    """A key of tenant `b` with all scopes."""
    lacking: Mapping[Scope, ApiKey]
    """Scope → a key of tenant `a` with all others."""
    leaked: ApiKey
    """A key of tenant `a` that its administrator may revoke."""


@pytest.fixture(scope="module")
def settings(valkey: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    with valkey.client() as client:
        client.flushdb()
    return load(
        {},
        redis_url=valkey.url,
        store_url=f"file://{tmp_path_factory.mktemp('matrix')}/objects",
        default_model=MODEL,
        auth="keys",
        cache_ttl_s=0,
        webhook_secrets=generate_secret(),
    )


@pytest.fixture(scope="module")
def keys(settings: Settings) -> Keys:
    store = KeyStore(open_store(settings))
    owner, revoked, leaked, stranger = (store.create(tenant=t, scopes=Scope)[0] for t in "aaab")
    expired, _ = store.create(tenant="a", scopes=Scope, valid_for=timedelta(0))
    lacking = {
        scope: store.create(tenant="a", scopes=frozenset(Scope) - {scope})[0] for scope in Scope
    }
    store.revoke(revoked.key_id)
    return Keys(owner, revoked, expired, stranger, lacking, leaked)


@pytest.fixture(scope="module")
def api(settings: Settings, keys: Keys) -> Iterator[Api]:
    api = create_api(settings)
    api.event_feed.start()
    yield api
    api.event_feed.stop()


@pytest.fixture(scope="module")
def client(api: Api) -> FlaskClient:
    api.flask.test_client_class = DocumentedClient
    return api.flask.test_client()


@pytest.fixture(scope="module")
def cat(photos: Path) -> bytes:
    return (photos / "cat.jpg").read_bytes()


@pytest.fixture(scope="module")
def resources(
    api: Api, client: FlaskClient, settings: Settings, keys: Keys, cat: bytes
) -> Mapping[str, str]:
    """What the rules name: a finished job of tenant `a` with a webhook, a batch and a key of it.

    The failed job is none of its dead letters any more, so a retry is refused however often.
    """
    response = submit_image(client, cat, headers=bearer(keys.owner), webhook="https://hooks.test/x")
    assert response.status_code == 202, response.get_data(as_text=True)
    finish_next_job(settings)
    job_id = str(response.get_json()["id"])
    submit_image(client, cat, headers=bearer(keys.owner))
    failed_id = fail_next_job(settings)
    open_ledger(settings).dismiss([failed_id])
    batch = submit_batch(client, ["bad"], headers=bearer(keys.owner))
    api.acceptor.accept_batches()  # so that it has ended, and its event stream ends
    batch_id = str(batch.get_json()["id"])
    return {
        "<job_id>": job_id,
        "<batch_id>": batch_id,
        "<key_id>": keys.leaked.key_id,
        "<failed_id>": failed_id,
        "<name>": "vgg16",
        "<project>": "4",
        "<asset>": "start.js",
        "<version_of_page>": "latest",
        "<file>": "app.js",
    }


@pytest.fixture(autouse=True)
def never_redelivered(valkey: RedisServer, resources: Mapping[str, str]) -> None:
    """Forget the latest redelivery of the job: it may be requested once a minute only."""
    with valkey.client() as client:
        client.hdel(f"{{seewhy}}:job:{resources['<job_id>']}", "redelivered_ms")


def bearer(key: ApiKey) -> dict[str, str]:
    return {"Authorization": f"Bearer {key.text}"}


def routes(flask: Flask) -> dict[str, Any]:
    """Return the view of every route, by method and URL rule."""
    return {
        f"{method} {rule.rule}": flask.view_functions[rule.endpoint]
        for rule in flask.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def send(
    client: FlaskClient,
    route: str,
    resources: Mapping[str, str],
    cat: bytes,
    *,
    query: str = "",
    **options: Any,
) -> TestResponse:
    method, _, rule = route.partition(" ")
    path = re.sub("<[a-z_]+>", lambda name: resources[name[0]], rule) + query
    if route in {"POST /explanation", "POST /v1/explanations", "POST /v1/images"}:
        options["data"] = {"image": (io.BytesIO(cat), "cat.jpg")}
    if route == "GET /v1/explanations":
        path += f"{'&' if query else '?'}ids={resources['<job_id>']}"
    if route == "POST /v1/batches":
        options |= {"data": ndjson([item(cat)]), "content_type": "application/x-ndjson"}
    if route in LABEL_STUDIO_BODIES:
        options["json"] = LABEL_STUDIO_BODIES[route]
    address = f"127.1.1.{next(ADDRESSES)}"  # one address may fail only so often
    return client.open(path, method=method, environ_base={"REMOTE_ADDR": address}, **options)


def credentials(kind: str, keys: Keys) -> dict[str, Any]:
    """Return what a request of this kind sends."""
    key = {
        "wrong secret": ApiKey.generate(keys.owner.key_id),
        "unknown id": ApiKey.generate(),
        "revoked": keys.revoked,
        "expired": keys.expired,
        **{f"without {scope}": key for scope, key in keys.lacking.items()},
        "other tenant": keys.stranger,
    }.get(kind, keys.owner)
    sent: dict[str, dict[str, Any]] = {
        "no key": {},
        "malformed": {"headers": {"Authorization": "Bearer seewhy_0123"}},
        "wrong scheme": {"headers": {"Authorization": f"Digest {key.text}"}},
        "in the query": {"query": f"?key={key.text}&access_token={key.text}"},
        "right as basic": {"auth": ("any user", key.text)},
    }
    return sent.get(kind, {"headers": bearer(key)})


def expected(row: Row, kind: str) -> int:
    if row.scopes is None or kind in {"right", "right as basic"}:
        return row.right
    if kind == "other tenant":
        return row.other_tenant
    if kind.startswith("without "):
        return 403 if kind.removeprefix("without ") in row.scopes else row.right
    return 401


def test_the_matrix_has_every_route_with_the_scopes_that_it_requires(api: Api) -> None:
    declared = {route: required_scopes(view) for route, view in routes(api.flask).items()}
    assert declared == {
        route: None if row.scopes is None else frozenset(row.scopes)
        for route, row in MATRIX.items()
    }


@pytest.mark.parametrize("kind", CREDENTIALS)
@pytest.mark.parametrize("route", MATRIX)
def test_a_route_answers_each_kind_of_credentials_as_the_matrix_says(
    client: FlaskClient,
    keys: Keys,
    resources: Mapping[str, str],
    cat: bytes,
    route: str,
    kind: str,
) -> None:
    row = MATRIX[route]
    sent = credentials(kind, keys)
    response = send(client, route, resources, cat, **sent)
    assert response.status_code == expected(row, kind), response.data[:500]
    if response.status_code in {401, 403}:
        challenge = response.headers["WWW-Authenticate"]
        assert challenge.startswith('Bearer realm="seewhy"')
        code = response.get_json()["code"]
        assert code == {401: "unauthenticated", 403: "insufficient_scope"}[response.status_code]
        assert ("invalid_token" in challenge) == (response.status_code == 401 and "headers" in sent)
    assert keys.owner.secret.encode() not in response.data
    response.close()


@pytest.mark.parametrize(
    "route", [route for route, row in MATRIX.items() if row.other_tenant == 404]
)
def test_what_belongs_to_another_tenant_is_answered_like_something_unknown(
    client: FlaskClient, keys: Keys, resources: Mapping[str, str], cat: bytes, route: str
) -> None:
    nothing = {
        "<job_id>": new_job_id(),
        "<batch_id>": new_job_id(),
        "<failed_id>": new_job_id(),
        "<key_id>": "0" * 16,
    }
    foreign, unknown = (
        send(client, route, named, cat, headers=bearer(keys.stranger))
        for named in (resources, nothing)
    )
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.data == unknown.data
    for response in (foreign, unknown):
        response.headers.pop("X-Request-ID")  # random
    assert dict(foreign.headers) == dict(unknown.headers)


def test_a_route_that_declares_nothing_is_refused_at_start(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def blueprint_with_an_open_route(deps: Any) -> Any:
        blueprint = create_models_blueprint(deps)
        blueprint.add_url_rule("/debug", endpoint="debug", view_func=lambda: "secret")
        return blueprint

    monkeypatch.setattr(flask_app, "create_models_blueprint", blueprint_with_an_open_route)
    with pytest.raises(ValueError, match=r"models\.debug does not declare who may use it"):
        create_api(settings)


def documented_rows() -> list[str]:
    rows = []
    for route, row in MATRIX.items():
        method, _, rule = route.partition(" ")
        path = rule.replace("<", "{").replace(">", "}")
        scopes = " and ".join(f"`{scope}`" for scope in row.scopes or ())
        needs = "nothing" if row.scopes is None else scopes or "any key"
        lacking = f"without {row.scopes[0] if row.scopes else 'admin'}"
        answers = [expected(row, kind) for kind in ("no key", "revoked", lacking)]
        cells = (f"`{method} {path}`", needs, *answers, row.other_tenant, row.right)
        rows.append(f"| {' | '.join(str(cell) for cell in cells)} |")
    return rows


def test_the_page_shows_the_matrix() -> None:
    page = PAGE.read_text()
    assert [row for row in documented_rows() if row not in page] == []
