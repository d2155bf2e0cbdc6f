"""Represent a network, nested models included, as one flat list of layer calls."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import keras

from seewhy.errors import UnsupportedModel
from seewhy_worker.models.splitting.inputs import find_image_input


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One application of an operation. A shared layer has one call per application."""

    path: str
    """`backbone/block5_conv3`: the names of the enclosing models and of the operation."""
    operation: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: tuple[Any, ...]
    """Symbolic tensors, in `keras.tree` order."""

    @property
    def inputs(self) -> list[Any]:
        """The symbolic tensors among the arguments."""
        return [leaf for leaf in keras.tree.flatten((self.args, self.kwargs)) if is_symbolic(leaf)]

    @property
    def kind(self) -> str:
        """The operation's class name in lower case."""
        return type(self.operation).__name__.lower()

    @property
    def has_kernel(self) -> bool:
        """Whether the operation has a weight of two or more axes."""
        return any(len(weight.shape) > 1 for weight in getattr(self.operation, "weights", []))


class BypassError(Exception):
    """The targets also depend on the input along a path that bypasses the sources."""


@dataclass(frozen=True, slots=True)
class Graph:
    """A static network. Its operations belong to the model, so they share its weights."""

    input: Any
    """The symbolic input."""
    calls: tuple[Call, ...]
    """In execution order."""
    outputs: Mapping[str, Any]
    """Symbolic outputs by name."""

    def calls_between(self, sources: Iterable[Any], targets: Iterable[Any]) -> tuple[Call, ...]:
        """Return the calls that compute `targets` from `sources` alone, in execution order.

        Raises `BypassError` when the sources do not suffice.
        """
        given = set(map(id, sources))
        missing = set(map(id, targets)) - given
        needed = []
        for call in reversed(self.calls):
            if any(id(output) in missing for output in call.outputs):
                missing -= {id(output) for output in call.outputs}
                missing |= {id(tensor) for tensor in call.inputs} - given
                needed.append(call)
        if missing:
            raise BypassError
        return tuple(reversed(needed))

    def producer(self, tensor: Any) -> Call | None:
        """Return the call that outputs the tensor, or None for the input."""
        return next((call for call in self.calls if _contains(call.outputs, tensor)), None)

    def with_operation(self, call: Call, operation: Callable[..., Any]) -> "Graph":
        """Return a graph in which `operation` replaces the operation of `call`."""
        replacement = replace(call, operation=operation)
        return replace(self, calls=tuple(replacement if c is call else c for c in self.calls))


def is_symbolic(value: Any) -> bool:
    """Return whether the value is a placeholder for a tensor."""
    return isinstance(value, keras.KerasTensor)


def find_descendants(calls: Iterable[Call], source: Any) -> set[int]:
    """Return the `id` of the tensor, and of every tensor that the calls compute from it."""
    found = {id(source)}
    for call in calls:
        if any(id(tensor) in found for tensor in call.inputs):
            found |= {id(output) for output in call.outputs}
    return found


def run(
    calls: Iterable[Call], sources: Iterable[Any], values: Iterable[Any], targets: Sequence[Any]
) -> tuple[Any, ...]:
    """Execute the calls with `values` for the tensors `sources`; return the values of `targets`."""
    known = dict(zip(map(id, sources), values, strict=True))

    def lookup(leaf: Any) -> Any:
        return known[id(leaf)] if is_symbolic(leaf) else leaf

    for call in calls:
        args, kwargs = keras.tree.map_structure(lookup, (call.args, call.kwargs))
        results = keras.tree.flatten(call.operation(*args, **kwargs))
        known.update(zip(map(id, call.outputs), results, strict=True))
    return tuple(known[id(target)] for target in targets)


def flatten(
    model: keras.Model,
    input_shape: tuple[int, ...],
    others: Mapping[str, Callable[[Any], Any]] = MappingProxyType({}),
) -> Graph:
    """Flatten a model with a static graph, and every such model inside it, for one image shape.

    `input_shape` excludes the batch axis. `others` are operations that compute the inputs beside
    the image, by name, from the image. The model is not changed. Layers run in inference mode, even
    those that were called with `training=True`. Raises `UnsupportedModel` when the network does not
    accept the shape.
    """
    image = find_image_input(model)
    symbolic_input = keras.KerasTensor((None, *input_shape), dtype=image.dtype)
    recorder = _Recorder()
    inputs = [
        symbolic_input
        if tensor is image
        else recorder.record_call(tensor.name, others[tensor.name], (symbolic_input,), {})
        for tensor in model.inputs
    ]
    try:
        results = recorder.record_model(model, inputs, prefix="")
    except (ValueError, TypeError) as error:
        raise UnsupportedModel(
            f"the model {model.name!r} does not accept images of shape {input_shape}: {error}"
        ) from error
    outputs = dict(zip(output_names(model), results, strict=True))
    return Graph(input=symbolic_input, calls=tuple(recorder.calls), outputs=outputs)


def output_names(model: keras.Model) -> list[str]:
    """Name the outputs by the keys of an output dict, else by the layers that produce them."""
    if isinstance(model, keras.Sequential):
        return [model.layers[-1].name]
    if isinstance(model.output, dict):
        return ["/".join(map(str, path)) for path, _ in keras.tree.flatten_with_path(model.output)]
    return list(model.output_names)


def has_graph(operation: Any) -> bool:
    """Return whether the operation is a model with readable layers and connections."""
    return (
        isinstance(operation, keras.Model)
        and bool(getattr(operation, "inputs", None))
        and type(operation).call.__module__.split(".")[0] == "keras"
    )


class _Recorder:
    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._path_counts: dict[str, int] = {}

    def record_model(self, model: keras.Model, inputs: Any, *, prefix: str) -> list[Any]:
        def record(operation: Any, *args: Any, **kwargs: Any) -> Any:
            if has_graph(operation):
                inputs = args[0] if args else kwargs["inputs"]
                return self.record_model(operation, inputs, prefix=f"{prefix}{operation.name}/")
            return self.record_call(f"{prefix}{operation.name}", operation, args, kwargs)

        return list(keras.tree.flatten(_run_with(model, inputs, record)))

    def record_call(
        self, path: str, operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if "training" in kwargs:
            kwargs = {**kwargs, "training": False}
        specs = operation.compute_output_spec(*args, **kwargs)
        # Create new tensors: the output spec of an operation may be its input tensor itself.
        outputs = keras.tree.map_structure(
            lambda spec: keras.KerasTensor(spec.shape, dtype=spec.dtype), specs
        )
        self._path_counts[path] = count = self._path_counts.get(path, 0) + 1
        self.calls.append(
            Call(
                path=path if count == 1 else f"{path}#{count}",
                operation=operation,
                args=args,
                kwargs=kwargs,
                outputs=tuple(keras.tree.flatten(outputs)),
            )
        )
        return outputs


def _run_with(model: keras.Model, inputs: Any, call: Callable[..., Any]) -> Any:
    """Run a model's graph, replacing each call by `call(operation, *args, **kwargs)`."""
    # The only private Keras API in this module; Functional.call uses it too.
    return keras.Function(model.inputs, model.outputs)._run_through_graph(  # noqa: SLF001
        keras.tree.flatten(inputs), call_fn=call
    )


def _contains(tensors: Collection[Any], tensor: Any) -> bool:
    # KerasTensor overloads ==, so compare identities.
    return any(one is tensor for one in tensors)
