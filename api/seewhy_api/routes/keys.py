"""The routes of API keys: the administrator of a tenant lists and revokes them."""

from datetime import UTC, datetime

from flask import Blueprint, Response, jsonify
from pydantic import AwareDatetime

from seewhy.access.key_store import KeyStore
from seewhy.access.records import KeyRecord, KeyStatus, Scope
from seewhy.errors import TooManyListings, UnknownKey
from seewhy_api.http.auth import request_context, requires
from seewhy_api.http.explanation_body import ResponseModel
from seewhy_api.http.slots import listing_slots
from seewhy_api.openapi.declarations import Answer, Operation, describe
from seewhy_api.routes.dependencies import Dependencies


class Key(ResponseModel):
    """An API key without its secret."""

    id: str
    status: KeyStatus
    scopes: tuple[Scope, ...]
    name: str
    created_at: AwareDatetime
    expires_at: AwareDatetime | None
    revoked_at: AwareDatetime | None


class Keys(ResponseModel):
    """The API keys of a tenant, the oldest first."""

    keys: tuple[Key, ...]


LIST = Operation(
    id="list_keys",
    tag="keys",
    answers=(Answer(description="The keys.", model=Keys),),
    errors=(TooManyListings,),
)
REVOKE = Operation(
    id="revoke_key",
    tag="keys",
    answers=(Answer(description="The revoked key.", model=Key),),
    errors=(UnknownKey,),
)


def create_keys_blueprint(deps: Dependencies) -> Blueprint:
    """Create the blueprint of `/v1/keys`."""
    blueprint = Blueprint("keys", __name__, url_prefix="/v1/keys")
    keys = KeyStore(deps.store)
    slots = listing_slots("keys")

    @blueprint.get("")
    @requires(Scope.ADMIN)
    @describe(LIST)
    def list_keys() -> Response:
        """List the API keys of the tenant, the oldest first, without their secrets.

        The service reads the records of all keys, so it makes one list for a tenant at a time.
        """
        tenant = request_context().tenant
        with slots.take(tenant):
            records = [record for record in keys.records() if record.tenant == tenant]
        return _response(Keys(keys=tuple(map(_key, records))))

    @blueprint.post("/<key_id>/revoke")
    @requires(Scope.ADMIN)
    @describe(REVOKE)
    def revoke(key_id: str) -> Response:
        """Revoke an API key of the tenant for ever. It ends within ten seconds everywhere."""
        record = keys.read(key_id)
        if record is None or record.tenant != request_context().tenant:
            raise UnknownKey("There is no key with this id.")
        return _response(_key(keys.revoke(key_id)))

    return blueprint


def _response(body: ResponseModel) -> Response:
    response = jsonify(body.model_dump(mode="json"))
    response.headers["Cache-Control"] = "no-store"
    return response


def _key(record: KeyRecord) -> Key:
    return Key(
        id=record.key_id,
        status=record.status(now=datetime.now(UTC)),
        scopes=tuple(sorted(record.scopes)),
        name=record.name,
        created_at=record.created_at,
        expires_at=record.expires_at,
        revoked_at=record.revoked_at,
    )
