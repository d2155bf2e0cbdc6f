"""Show explanations in a real Label Studio: `make demo-label-studio`."""

import os
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from label_studio_page import block
from servers.real_label_studio import EMAIL, PASSWORD, running_label_studio
from servers.up import running_up

PHOTOS = Path(__file__).parents[2] / "examples" / "photos"


def main(command: str) -> None:
    """Start Label Studio and seewhy, explain the example photos, and wait for Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `kill` ends it in the same way
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "label-studio").mkdir()
        print("==> starting Label Studio, which takes a minute", flush=True)
        with running_label_studio(command, folder / "label-studio") as studio:
            print("==> starting seewhy", flush=True)
            os.environ["SEEWHY_LABEL_STUDIO_URL"] = studio.url
            os.environ["SEEWHY_LABEL_STUDIO_API_KEY"] = studio.personal_token
            with running_up(folder / "seewhy", model="efficientnet-lite0") as up:
                backend = f"{up.url}/label-studio"
                print("==> explaining examples/photos", flush=True)
                photos = [(each.name, each.read_bytes()) for each in PHOTOS.glob("*.jpg")]
                project = studio.create_project(photos, block("xml"))
                studio.connect(project, backend, block("json"))
                studio.retrieve_predictions(project)
                print(f"{studio.url}/projects/{project}/data: log in as {EMAIL} with {PASSWORD}")
                print("Ctrl-C stops Label Studio and seewhy, and removes their data.", flush=True)
                with suppress(KeyboardInterrupt):
                    signal.pause()


if __name__ == "__main__":
    main(str(Path(sys.argv[1]).resolve()))
