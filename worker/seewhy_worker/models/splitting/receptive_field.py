"""The part of the input that a cell of a layer depends on, from the windows of the layers before.

The recursion is that of Araujo et al. 2019, doi:10.23915/distill.00021: a window of k cells, each d
apart, at a stride s, widens the field by (k - 1) · d strides of its input and multiplies the stride
by s.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from seewhy_worker.models.splitting.graph import Call
from seewhy_worker.ports.model_facts import ReceptiveField

_CONVOLUTIONS = frozenset({"conv2d", "depthwiseconv2d", "separableconv2d"})
_POOLINGS = frozenset({"maxpooling2d", "averagepooling2d"})
_CELL_BY_CELL = frozenset(
    {
        *("activation", "batchnormalization", "cropping2d", "dropout", "elu", "gaussiannoise"),
        *("identity", "leakyrelu", "normalization", "prelu", "relu", "relu6", "rescaling", "silu"),
        *("spatialdropout2d", "zeropadding2d"),
        *("add", "average", "concatenate", "maximum", "multiply", "subtract", "truedivide"),
    }
)


@dataclass(frozen=True, slots=True)
class _Axis:
    stride_px: int = 1
    field_px: int = 1

    def behind(self, size: int, stride: int, dilation: int) -> "_Axis":
        """Return the axis behind a window."""
        widened = self.field_px + (size - 1) * dilation * self.stride_px
        return _Axis(self.stride_px * stride, widened)


_Axes = tuple[_Axis, _Axis]


def find_receptive_field(calls: Iterable[Call], source: Any, target: Any) -> ReceptiveField | None:
    """Return the receptive field of the tensor `target`, which `calls` compute from `source`.

    None when a layer on the way is unknown or sees the whole image, as squeeze-and-excitation does,
    when paths of different strides meet, and when the field is not a square.
    """
    known: dict[int, _Axes] = {id(source): (_Axis(), _Axis())}
    for call in calls:
        axes = _behind(call, [known.get(id(tensor)) for tensor in call.inputs])
        if axes:
            known |= {id(output): axes for output in call.outputs}
    found = known.get(id(target))
    if found is None or found[0] != found[1]:
        return None
    return ReceptiveField(found[0].stride_px, found[0].field_px)


def _behind(call: Call, inputs: list[_Axes | None]) -> _Axes | None:
    joined = _join(inputs)
    if joined is None or call.kind in _CELL_BY_CELL:
        return joined
    layer: Any = call.operation
    if call.kind in _CONVOLUTIONS:
        windows = zip(layer.kernel_size, layer.strides, layer.dilation_rate, strict=True)
    elif call.kind in _POOLINGS:
        windows = zip(layer.pool_size, layer.strides, (1, 1), strict=True)
    else:
        return None
    rows, columns = (axis.behind(*window) for axis, window in zip(joined, windows, strict=True))
    return rows, columns


def _join(inputs: list[_Axes | None]) -> _Axes | None:
    """Return the widest field where paths meet."""
    known = [axes for axes in inputs if axes]
    strides = {(rows.stride_px, columns.stride_px) for rows, columns in known}
    if len(known) < len(inputs) or len(strides) != 1:
        return None
    rows, columns = (max(each, key=lambda axis: axis.field_px) for each in zip(*known, strict=True))
    return rows, columns
