"""A network as one flat list of calls, whatever models it nests."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import keras

from seewhy.errors import UnsupportedModel


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One application of an operation; a shared layer has one for each."""

    path: str
    """`backbone/block5_conv3`: the names of the models around it, and its own."""
    operation: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: tuple[Any, ...]
    """Symbolic tensors, in `keras.tree` order."""

    @property
    def inputs(self) -> list[Any]:
        """The symbolic tensors among the arguments."""
        return [leaf for leaf in keras.tree.flatten((self.args, self.kwargs)) if is_symbol(leaf)]


class Disconnected(Exception):
    """What was asked for cannot be computed from what was given alone."""


@dataclass(frozen=True, slots=True)
class Graph:
    """A static network. Its operations are the model's own, so it shares the model's weights."""

    picture: Any
    """The symbolic input."""
    calls: tuple[Call, ...]
    """In an order in which they can be made."""
    outputs: Mapping[str, Any]
    """Symbolic outputs by name."""

    def leading(self, given: Any, wanted: Any) -> tuple[Call, ...]:
        """Select the calls that make `wanted` from `given`, in order; raise `Disconnected`."""
        missing = {id(wanted)} - {id(given)}
        chosen = []
        for call in reversed(self.calls):
            if any(id(output) in missing for output in call.outputs):
                missing -= {id(output) for output in call.outputs}
                missing |= {id(symbol) for symbol in call.inputs} - {id(given)}
                chosen.append(call)
        if missing:
            raise Disconnected
        return tuple(reversed(chosen))

    def maker(self, symbol: Any) -> Call | None:
        """Find the call that makes the symbol; None for the input."""
        return next((call for call in self.calls if _among(symbol, call.outputs)), None)

    def with_call(self, old: Call, operation: Callable[..., Any]) -> "Graph":
        """Return the graph with another operation in the place of the call's."""
        new = replace(old, operation=operation)
        return replace(self, calls=tuple(new if call is old else call for call in self.calls))


def is_symbol(value: Any) -> bool:
    """Whether the value stands for a tensor in a graph."""
    return isinstance(value, keras.KerasTensor)


def run(calls: Collection[Call], given: Any, value: Any, wanted: Any) -> Any:
    """Make the calls with `value` for the symbol `given`; return the value of `wanted`."""
    values = {id(given): value}

    def filled(leaf: Any) -> Any:
        return values[id(leaf)] if is_symbol(leaf) else leaf

    for call in calls:
        args, kwargs = keras.tree.map_structure(filled, (call.args, call.kwargs))
        results = keras.tree.flatten(call.operation(*args, **kwargs))
        values.update(zip(map(id, call.outputs), results, strict=True))
    return values[id(wanted)]


def flatten(model: keras.Model, shape: tuple[int, ...]) -> Graph:
    """Unroll a model with a static graph, and every such model in it, for one input shape.

    The model is not changed. Layers run as in inference, even those that were called with
    `training=True`. Raises `UnsupportedModel` when the network does not take that shape.
    """
    picture = keras.KerasTensor((None, *shape), dtype=model.inputs[0].dtype)
    recorder = _Recorder()
    try:
        results = recorder.through(model, [picture], prefix="")
    except (ValueError, TypeError) as error:
        raise UnsupportedModel(
            f"the model {model.name!r} does not take pictures of {shape}: {error}"
        ) from error
    outputs = dict(zip(output_names(model), results, strict=True))
    return Graph(picture=picture, calls=tuple(recorder.calls), outputs=outputs)


def output_names(model: keras.Model) -> list[str]:
    """Name the outputs: by the keys of a dict, else by the layers that make them."""
    if isinstance(model, keras.Sequential):
        return [model.layers[-1].name]
    if isinstance(model.output, dict):
        return ["/".join(map(str, path)) for path, _ in keras.tree.flatten_with_path(model.output)]
    return list(model.output_names)


def has_graph(operation: Any) -> bool:
    """Whether it is a model whose layers and their connections can be read."""
    return (
        isinstance(operation, keras.Model)
        and bool(getattr(operation, "inputs", None))
        and type(operation).call.__module__.split(".")[0] == "keras"
    )


class _Recorder:
    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._taken: dict[str, int] = {}

    def through(self, model: keras.Model, inputs: Any, *, prefix: str) -> list[Any]:
        def call(operation: Any, *args: Any, **kwargs: Any) -> Any:
            if has_graph(operation):
                inputs = args[0] if args else kwargs["inputs"]
                return self.through(operation, inputs, prefix=f"{prefix}{operation.name}/")
            return self._record(f"{prefix}{operation.name}", operation, args, kwargs)

        return list(keras.tree.flatten(_walk(model, inputs, call)))

    def _record(
        self, path: str, operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if "training" in kwargs:
            kwargs = {**kwargs, "training": False}
        promised = operation.compute_output_spec(*args, **kwargs)
        # Fresh symbols: an operation may promise the very symbol that it was given.
        outputs = keras.tree.map_structure(
            lambda spec: keras.KerasTensor(spec.shape, dtype=spec.dtype), promised
        )
        self._taken[path] = count = self._taken.get(path, 0) + 1
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


def _walk(model: keras.Model, inputs: Any, call: Callable[..., Any]) -> Any:
    """Make each call of a model's graph by `call(operation, *args, **kwargs)`, in order."""
    # The only private name of Keras here: it is what Functional.call itself goes through.
    return keras.Function(model.inputs, model.outputs)._run_through_graph(  # noqa: SLF001
        keras.tree.flatten(inputs), call_fn=call
    )


def _among(symbol: Any, symbols: Collection[Any]) -> bool:
    return any(symbol is one for one in symbols)
