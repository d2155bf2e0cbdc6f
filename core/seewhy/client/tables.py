"""Results as a table of pandas, which is an optional dependency."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pandas import DataFrame


class HasRows(Protocol):
    """An explanation, an item of a batch, or a result of `explain_many`."""

    def rows(self) -> list[dict[str, Any]]:
        """Return one row for each map, or one row that says why there is none."""


def to_pandas(results: Iterable[HasRows]) -> "DataFrame":
    """Return a table with one row for each map, and one for each result without a map.

    Its columns are those of the result and of the map: `id`, `status`, `error`, `model`, `method`,
    `layer`, `target`, `class_index`, `label`, `probability`, `logit`, `value`, `against`,
    `verdict`, `minimum`, `maximum` and, if requested, the trust scores. Results of `explain_many`
    also have `image`, and items of batches `index` and `key`.

    Raises `ImportError` when pandas is not installed.
    """
    try:
        from pandas import DataFrame  # noqa: PLC0415  (optional)
    except ImportError as error:
        raise ImportError("to_pandas needs pandas: pip install 'seewhy[pandas]'") from error
    return DataFrame([row for result in results for row in result.rows()])
