"""How `python -m seewhy_worker.training` ends."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from seewhy_worker.training import __main__ as command
from seewhy_worker.training.errors import TrainingError


@pytest.fixture(autouse=True)
def signal_handlers() -> Iterator[None]:
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def arguments(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    options = ["--base", "vgg16", "--out", str(tmp_path / "new.keras")]
    monkeypatch.setattr("sys.argv", ["training", str(tmp_path), *options])


def test_an_interruption_that_tensorflow_converts_is_reported_as_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def train(_options: object) -> NoReturn:
        try:
            signal.raise_signal(signal.SIGINT)  # in this thread, before the next line
        except KeyboardInterrupt:
            raise AttributeError("'SymbolicTensor' object has no attribute '_type_spec'") from None
        raise AssertionError("the signal was ignored")

    monkeypatch.setattr(command, "_run", train)
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 130
    assert capsys.readouterr().err == "seewhy: interrupted; no model was written\n"


def test_a_mistake_ends_with_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_options: object) -> NoReturn:
        raise TrainingError("too few images")

    monkeypatch.setattr(command, "_run", refuse)
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == "seewhy: too few images"


def test_a_fault_of_the_program_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_options: object) -> NoReturn:
        raise AttributeError("a mistake in the code")

    monkeypatch.setattr(command, "_run", fail)
    with pytest.raises(AttributeError, match="a mistake in the code"):
        command.main()
