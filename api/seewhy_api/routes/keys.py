"""The routes of API keys: the administrator of a tenant lists and revokes them."""

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, jsonify

from seewhy.access.key_store import KeyStore
from seewhy.access.records import KeyRecord, Scope
from seewhy.errors import UnknownKey
from seewhy_api.http.auth import request_context, requires
from seewhy_api.routes.dependencies import Dependencies


def create_keys_blueprint(deps: Dependencies) -> Blueprint:
    """Create the blueprint of `/v1/keys`."""
    blueprint = Blueprint("keys", __name__, url_prefix="/v1/keys")
    keys = KeyStore(deps.store)

    @blueprint.get("")
    @requires(Scope.ADMIN)
    def list_keys() -> Response:
        """List the API keys of the tenant, the oldest first, without their secrets."""
        tenant = request_context().tenant
        records = [record for record in keys.records() if record.tenant == tenant]
        return _response({"keys": [_serialize_key(record) for record in records]})

    @blueprint.post("/<key_id>/revoke")
    @requires(Scope.ADMIN)
    def revoke(key_id: str) -> Response:
        """Revoke an API key of the tenant for ever. It ends within ten seconds everywhere."""
        record = keys.read(key_id)
        if record is None or record.tenant != request_context().tenant:
            raise UnknownKey("There is no key with this id.")
        return _response(_serialize_key(keys.revoke(key_id)))

    return blueprint


def _response(body: dict[str, Any]) -> Response:
    response = jsonify(body)
    response.headers["Cache-Control"] = "no-store"
    return response


def _serialize_key(record: KeyRecord) -> dict[str, Any]:
    shown = record.model_dump(mode="json", exclude={"secrets", "scopes", "quota", "tenant"})
    return {
        "id": shown.pop("key_id"),
        "status": record.status(now=datetime.now(UTC)),
        "scopes": sorted(record.scopes),
        **shown,
    }
