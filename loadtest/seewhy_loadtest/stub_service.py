"""`seewhy up` with a stub in place of the model: everything else is real.

`python -m seewhy_loadtest.stub_service --host HOST --port PORT --data FOLDER` serves every model of
the settings without weights. A batch of b images takes 20 + 10 b ms on the simulated device.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from seewhy.embedded.commands import Commands, module_command
from seewhy.embedded.data_directory import lock_data_directory
from seewhy.embedded.up import complete_settings, up
from seewhy.settings import load

BATCH_MS, PASS_MS = 20, 10


def main() -> None:
    """Run the service until it is stopped."""
    parser = argparse.ArgumentParser(prog="python -m seewhy_loadtest.stub_service")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True)
    arguments = parser.parse_args()
    settings = load(None, api_host=arguments.host, api_port=arguments.port)
    options = (f"--batch-ms={BATCH_MS}", f"--pass-ms={PASS_MS}")
    commands = replace(Commands.installed(), worker=module_command("seewhy_worker.stub", *options))
    with lock_data_directory(arguments.data) as directory:
        up(
            complete_settings(settings, directory),
            directory=directory,
            report=lambda name, line: print(f"{name:>10} │ {line}", file=sys.stderr),
            ready=lambda url: print(f"seewhy is ready at {url}", file=sys.stderr),
            commands=commands,
        )


if __name__ == "__main__":
    main()
