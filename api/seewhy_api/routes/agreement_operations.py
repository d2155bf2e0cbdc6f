"""How the routes of agreements describe themselves."""

from pydantic import Field

from seewhy import errors
from seewhy.schemas.agreement import MeasuredAgreement, ProjectAgreements
from seewhy.schemas.base_models import StrictModel
from seewhy_api.http.summaries import Summaries
from seewhy_api.openapi.declarations import JOB_ERRORS, Answer, Operation

MAX_LISTED = 200


class RankingOptions(StrictModel):
    """How much of a ranking to return."""

    limit: int = Field(50, ge=1, le=MAX_LISTED, description="How many to return.")


GET_AGREEMENT = Operation(
    id="get_agreement",
    tag="results",
    answers=(
        Answer(description="The agreement.", model=MeasuredAgreement, examples=("agreement",)),
    ),
    errors=(*JOB_ERRORS, errors.ResultNotReady, errors.StoreUnavailable),
)
LIST_AGREEMENTS = Operation(
    id="list_agreements",
    tag="label-studio",
    query=RankingOptions,
    sample_query="limit=20",
    answers=(
        Answer(
            description="The worst agreements.", model=ProjectAgreements, examples=("agreements",)
        ),
    ),
    errors=(errors.StoreUnavailable, errors.TooManyListings),
)
LIST_PROJECT_SUMMARIES = Operation(
    id="list_project_summaries",
    tag="label-studio",
    query=RankingOptions,
    sample_query="limit=20",
    answers=(
        Answer(description="Summaries of explanations.", model=Summaries, examples=("summaries",)),
    ),
    errors=(errors.LedgerUnavailable, errors.StoreUnavailable, errors.TooManyListings),
)
