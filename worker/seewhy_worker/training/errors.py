"""What can be wrong with what `seewhy fit` is given."""

from seewhy.errors import SeewhyError


class FitRefused(SeewhyError):
    """No head can be trained from this folder, or saved to this place."""

    code = "fit_refused"
