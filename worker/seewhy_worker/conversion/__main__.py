"""`python -m seewhy_worker.conversion FILE --out FILE`: what `seewhy models convert` runs."""

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path

from seewhy.errors import OutOfMemory, SeewhyError, UnsupportedModel
from seewhy.settings import load
from seewhy_worker.model_check.child import limit_data


def main() -> None:
    """Convert the file named on the command line; print an error and exit with 1 if it fails."""
    options = _parse_arguments()
    try:
        settings = load()
        if any(find_spec(name) is None for name in ("onnx", "onnxruntime")):
            raise UnsupportedModel("ONNX files need two more packages: pip install 'seewhy[onnx]'")
        # Imported late because Keras takes seconds to import: report mistakes before that.
        from seewhy_worker.conversion.convert import convert_file  # noqa: PLC0415
        from seewhy_worker.keras_backend.devices import hide_gpus  # noqa: PLC0415

        hide_gpus()
        limit_data(settings.model_memory_bytes)
        lines = convert_file(
            options.file,
            options.out,
            size=tuple(options.size) if options.size else None,
            overwrite=options.overwrite,
            memory_bytes=settings.model_memory_bytes,
        )
    except (MemoryError, OutOfMemory):
        sys.exit("seewhy: the network needs more memory than SEEWHY_MODEL_MEMORY_BYTES allows")
    except SeewhyError as error:
        sys.exit(f"seewhy: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    sys.stdout.write("\n".join(lines) + "\n")


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m seewhy_worker.conversion",
        description="Convert an ONNX file to a .keras file and compare both.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="an .onnx file")
    parser.add_argument("--out", type=Path, required=True, help="the .keras file to write")
    parser.add_argument(
        "--size",
        type=int,
        nargs=2,
        metavar=("HEIGHT", "WIDTH"),
        help="the size of the input in pixels, if the file leaves it open",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
