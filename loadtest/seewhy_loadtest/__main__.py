"""`python -m seewhy_loadtest OPTIONS`: what `seewhy load` runs. OPTIONS is JSON (`LoadOptions`)."""

import sys

from pydantic import ValidationError

from seewhy.errors import SeewhyError
from seewhy.quoting import quote_mistake
from seewhy.settings import load
from seewhy_loadtest.load_test import run_load_test
from seewhy_loadtest.stages.options import LoadOptions

_ERROR, _WRONG_ARGUMENT, _INTERRUPTED = 1, 2, 130


def main() -> None:
    """Run a load test and exit with its status."""
    text, command = sys.argv[1:3]
    try:
        options = LoadOptions.model_validate_json(text)
        settings = load()
        options = options.model_copy(update={"key": settings.key_for_service(options.key)})
        sys.exit(run_load_test(options, settings=settings, command=command))
    except ValidationError as error:
        for mistake in error.errors(include_url=False):
            name = "--" + str(mistake["loc"][0]).rstrip("s") if mistake["loc"] else "options"
            sys.stderr.write(f"seewhy: {name}: {quote_mistake(mistake)}\n")
        sys.exit(_WRONG_ARGUMENT)
    except (SeewhyError, OSError) as error:
        sys.stderr.write(f"seewhy: {error}\n")
        sys.exit(_ERROR)
    except KeyboardInterrupt:
        sys.stderr.write("seewhy: interrupted; there is no report\n")
        sys.exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
