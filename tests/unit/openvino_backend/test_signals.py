"""Compiling a model changes nothing for the signals of a process."""

import ctypes
import sys

import numpy as np
import pytest

openvino = pytest.importorskip("openvino")

from openvino import opset13  # noqa: E402

from seewhy_worker.openvino_backend.compiled_model import CompiledModel  # noqa: E402


class SignalStack(ctypes.Structure):
    """The `stack_t` of Linux."""

    _fields_ = (
        ("pointer", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("size", ctypes.c_size_t),
    )


def signal_stack() -> int | None:
    """Return the address of this thread's alternate stack for signals."""
    found = SignalStack()
    assert ctypes.CDLL(None).sigaltstack(None, ctypes.byref(found)) == 0
    address: int | None = found.pointer
    return address


@pytest.mark.skipif(sys.platform != "linux", reason="reads a structure of Linux")
def test_a_compiled_model_leaves_the_stack_for_signals_as_it_was() -> None:
    """OpenVINO sets one that it frees with the model; the next signal would end the process."""
    before = signal_stack()
    pixels = opset13.parameter([1, 3, 8, 8], np.float32)
    kernel = opset13.constant(np.ones((4, 3, 3, 3), np.float32))
    features = opset13.convolution(pixels, kernel, [1, 1], [1, 1], [1, 1], [1, 1])
    model = CompiledModel(openvino.Model([features], [pixels]))
    (found,) = model(np.ones((1, 3, 8, 8), np.float32))
    assert found[0, 0, 4, 4] == 27
    assert signal_stack() == before
