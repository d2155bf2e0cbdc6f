"""A headless Chromium, driven with the DevTools protocol over pipes."""

import base64
import json
import os
import select
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from servers.waiting import wait_until

ANSWER_LIMIT_S = 60.0
_WITH_PIPES = 'exec "$@" 3<"$0/commands" 4>"$0/answers"'
"""The browser reads commands from file descriptor 3 and writes answers to 4."""


class Page:
    """One page; every answer of the browser is awaited."""

    def __init__(self, commands: int, answers: int) -> None:
        """Write to the file descriptor `commands`, and read from `answers`."""
        self._commands, self._answers = commands, answers
        self._received = b""
        self._calls = 0
        self._session: dict[str, str] = {}
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = {"sessionId": attached["sessionId"]}

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        self._calls += 1
        call = {"id": self._calls, "method": method, "params": parameters, **self._session}
        os.write(self._commands, json.dumps(call).encode() + b"\0")
        deadline = time.monotonic() + ANSWER_LIMIT_S
        while True:
            message = self._read_message(deadline)
            if message.get("id") == self._calls:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result

    def open(self, url: str, *, cookies: Mapping[str, str], width_px: int, height_px: int) -> None:
        """Open a page with cookies for its host in a window of a size."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width_px,
            height=height_px,
            deviceScaleFactor=1,
            mobile=False,
        )
        for name, value in cookies.items():
            self.call("Network.setCookie", name=name, value=value, url=url)
        self.call("Page.navigate", url=url)

    def evaluate(self, script: str) -> Any:
        """Return the value of a JavaScript expression; None while the page has no document."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True)["result"]
        return result.get("value")

    def wait_for(self, condition: str, *, limit_s: float = 120.0) -> None:
        """Return when a JavaScript expression is true."""
        wait_until(lambda: bool(self.evaluate(condition)), what=condition, limit_s=limit_s)

    def screenshot(self) -> bytes:
        """Return what the page shows, as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def _read_message(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._received:
            left_s = deadline - time.monotonic()
            assert left_s > 0, f"the browser does not answer within {ANSWER_LIMIT_S:g} s"
            if select.select([self._answers], [], [], left_s)[0]:
                chunk = os.read(self._answers, 1 << 20)
                assert chunk, "the browser has exited"
                self._received += chunk
        raw, _, self._received = self._received.partition(b"\0")
        message: dict[str, Any] = json.loads(raw)
        return message


@contextmanager
def running_browser(command: str, folder: Path) -> Iterator[Page]:
    """Run a browser until the block ends."""
    pipes = [folder / "commands", folder / "answers"]
    for pipe in pipes:
        os.mkfifo(pipe)
    arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    arguments += ["--remote-debugging-pipe", f"--user-data-dir={folder}/profile"]
    with (folder / "browser.log").open("wb") as log:
        process = subprocess.Popen(
            ["/bin/sh", "-c", _WITH_PIPES, folder, command, *arguments],
            env=os.environ | {"HOME": str(folder)},
            stdout=log,
            stderr=log,
        )
    commands, answers = os.open(pipes[0], os.O_WRONLY), os.open(pipes[1], os.O_RDONLY)
    try:
        yield Page(commands, answers)
    finally:
        os.close(commands)  # it exits
        os.close(answers)
        process.kill()
        process.wait()
