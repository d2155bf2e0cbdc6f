"""How the pages for browsers without scripts describe themselves."""

from http import HTTPStatus

from seewhy_api.http.parsing import WaitQuery
from seewhy_api.http.upload_bodies import IMAGE_TYPES, ImageForm
from seewhy_api.openapi.declarations import JOB_ERRORS, Answer, Body, Operation
from seewhy_api.routes import explanation_operations

SUBMIT = Operation(
    id="submit_photo",
    tag="service",
    bodies=(
        Body(
            model=ImageForm,
            media_type="multipart/form-data",
            content_types={"image": IMAGE_TYPES},
        ),
    ),
    answers=(
        Answer(
            status=HTTPStatus.SEE_OTHER,
            description="The photo was accepted; `Location` is the page of its explanation.",
            media_types=("text/html",),
            headers=("Location",),
        ),
    ),
    errors=explanation_operations.SUBMIT.errors,
    errors_as_pages=True,
)
GET = Operation(
    id="get_explanation_page",
    tag="service",
    query=WaitQuery,
    headers=("Prefer",),
    answers=(Answer(description="The page.", media_types=("text/html",)),),
    errors=JOB_ERRORS,
    errors_as_pages=True,
)
