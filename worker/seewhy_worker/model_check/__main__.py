"""`python -m seewhy_worker.model_check FILE`: what `seewhy models check FILE` runs."""

import argparse
import sys
from pathlib import Path

from seewhy.errors import SeewhyError
from seewhy.settings import load
from seewhy_worker.model_check.confinement import check_in_child
from seewhy_worker.model_check.request import CheckRequest


def main() -> None:
    """Check the file named on the command line; print an error and exit with 1 if it fails."""
    options = _parse_arguments()
    try:
        settings = load()
        lines = check_in_child(
            CheckRequest(
                path=options.file,
                layer=options.layer,
                output=options.output,
                outputs=options.scores,
                modules=tuple(options.module),
                memory_bytes=settings.model_memory_bytes,
                timeout_s=settings.model_check_timeout_s,
            )
        )
    except SeewhyError as error:
        sys.exit(f"seewhy: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    sys.stdout.write("\n".join(lines) + "\n")


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m seewhy_worker.model_check",
        description="Check whether and how a model file can be explained.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="a .keras or .h5 file")
    parser.add_argument("--layer", help="the target layer; by default seewhy chooses one")
    parser.add_argument("--output", help="the output to explain, if the model has several")
    parser.add_argument(
        "--scores",
        choices=["classes", "values", "segments"],
        default="classes",
        help="what the network outputs: scores of classes, values, or scores for each pixel",
    )
    parser.add_argument(
        "--module",
        action="append",
        default=[],
        help="a Python module that registers layers of the model with Keras; may be repeated",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
