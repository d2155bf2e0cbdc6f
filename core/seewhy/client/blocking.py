"""Blocking methods made of coroutines that never suspend (`seewhy.client.network`)."""

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

Parameters = ParamSpec("Parameters")
Value = TypeVar("Value")


def run(coroutine: Coroutine[Any, Any, Value]) -> Value:
    """Return the result of a coroutine that does not suspend."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return cast("Value", end.value)
    coroutine.close()
    raise AssertionError("unreachable: an operation on a BlockingNetwork does not suspend")


def iterate(generator: AsyncGenerator[Value, None]) -> Generator[Value, None, None]:
    """Yield what an asynchronous generator yields that does not suspend."""

    async def step() -> Value:
        return await anext(generator)

    try:
        while True:
            try:
                value = run(step())
            except StopAsyncIteration:
                return
            yield value
    finally:
        run(generator.aclose())


def blocking(
    method: Callable[Concatenate[Any, Parameters], Coroutine[Any, Any, Value]],
) -> Callable[Concatenate[Any, Parameters], Value]:
    """Return a method that runs the same method of `self.operations`."""

    def call(self: Any, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Value:
        return run(method(self.operations, *args, **kwargs))

    return _like(method, call)


def blocking_generator(
    method: Callable[Concatenate[Any, Parameters], AsyncGenerator[Value, None]],
) -> Callable[Concatenate[Any, Parameters], Generator[Value, None, None]]:
    """Return a method that iterates over the same method of `self.operations`."""

    def call(
        self: Any, /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Generator[Value, None, None]:
        return iterate(method(self.operations, *args, **kwargs))

    return _like(method, call)


def _like(
    method: Callable[..., Any], call: Callable[Parameters, Value]
) -> Callable[Parameters, Value]:
    """Give `call` the name, documentation and signature of `method`."""
    functools.update_wrapper(call, method)
    del call.__wrapped__  # type: ignore[attr-defined]  # it would make `call` look asynchronous
    signature = inspect.signature(method)
    returned = str(signature.return_annotation).replace("AsyncGenerator", "Generator")
    call.__signature__ = signature.replace(return_annotation=returned)  # type: ignore[attr-defined]
    return call
