"""The route of images: send one, to request explanations of it by its id."""

from http import HTTPStatus

from flask import Blueprint, Response, g, jsonify, request

from seewhy import errors
from seewhy.access.records import Scope
from seewhy_api.http import rate_limits
from seewhy_api.http.auth import current_caller, requires
from seewhy_api.http.parsing import parse_image
from seewhy_api.http.upload_bodies import (
    IMAGE_TYPES,
    Base64Image,
    Image,
    ImageForm,
    KnownImage,
    RemoteImage,
)
from seewhy_api.openapi import examples
from seewhy_api.openapi.declarations import Answer, Body, Operation, describe
from seewhy_api.routes.dependencies import Dependencies

SEND = Operation(
    id="send_image",
    tag="explanations",
    bodies=(
        Body(
            model=ImageForm,
            media_type="multipart/form-data",
            content_types={"image": IMAGE_TYPES},
        ),
        Body(
            model=Base64Image | KnownImage | RemoteImage, examples={"base64": examples.BASE64_IMAGE}
        ),
    ),
    answers=(
        Answer(
            status=HTTPStatus.CREATED,
            description="The image.",
            model=Image,
            headers=("RateLimit", "RateLimit-Policy"),
        ),
    ),
    errors=(
        errors.RequestTooLarge,
        errors.UnknownImage,
        errors.ImageUrlRefused,
        errors.ImageUnreachable,
        errors.BadImage,
        errors.TooManyDownloads,
        errors.QuotaExceeded,
        errors.LedgerUnavailable,
        errors.StoreUnavailable,
    ),
)


def create_images_blueprint(deps: Dependencies) -> Blueprint:
    """Create the blueprint of `/v1/images`."""
    blueprint = Blueprint("images", __name__, url_prefix="/v1/images")

    @blueprint.post("")
    @requires(Scope.SUBMIT)
    @describe(SEND)
    def send() -> Response:
        """Send an image once, to request any number of explanations of it by its `image_id`.

        Send `multipart/form-data` with the file part `image`, or `application/json` with one of
        `image_base64`, `image_url` and `image_id`; the last starts the retention of the image
        again, as each explanation of it does.

        Answers 201. `image_id` is the SHA-256 of the file. It is valid for the tenant that sent the
        image, in whatever way, until the image is past its retention. `width_px` and `height_px`
        are those of the upright image. With an API key, `RateLimit-Policy` lists the quotas of
        uploads in a minute, and `RateLimit` says what is left of them.
        """
        caller = current_caller()
        image, usage = deps.uploads.accept(
            parse_image(request), context=caller.context, quotas=caller.upload_quotas
        )
        body = Image(
            image_id=image.image_id,
            media_type=image.header.media_type,
            width_px=image.header.width_px,
            height_px=image.header.height_px,
        )
        response = jsonify(body.model_dump())
        response.status_code = HTTPStatus.CREATED
        response.headers["Cache-Control"] = "no-store"
        if usage:
            response.headers[rate_limits.USAGE_HEADER] = rate_limits.format_upload_usage(usage)
        return response

    @blueprint.after_request
    def describe_quotas(response: Response) -> Response:
        quotas = current_caller().upload_quotas if "caller" in g else None
        if quotas:
            response.headers[rate_limits.POLICY_HEADER] = rate_limits.format_upload_policy(quotas)
        return response

    return blueprint
