"""The JSON schemas of the models, all from one run of pydantic, so that each has one name."""

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import JsonSchemaMode

REF_TEMPLATE = "#/components/schemas/{model}"

Use = tuple[Any, Literal["validation", "serialization"]]
"""A type, and whether clients send it (validation) or get it (serialization)."""


class Schemas:
    """The schemas of a document."""

    def __init__(self, uses: Iterable[Use]) -> None:
        """Describe every type that the document uses."""
        self._keys: dict[tuple[int, str], int] = {}
        inputs: list[tuple[int, JsonSchemaMode, TypeAdapter[Any]]] = []
        for model, mode in uses:
            if (id(model), mode) not in self._keys:
                self._keys[id(model), mode] = len(inputs)
                inputs.append((len(inputs), mode, TypeAdapter(model)))
        described, definitions = TypeAdapter.json_schemas(inputs, ref_template=REF_TEMPLATE)
        self._described = {key: schema for (key, _), schema in described.items()}
        self.components: dict[str, Any] = definitions.get("$defs", {})

    def of(self, use: Use) -> dict[str, Any]:
        """Return the schema of a type, usually a reference to a component."""
        model, mode = use
        return self._described[self._keys[id(model), mode]]

    def properties_of(self, model: type[BaseModel]) -> tuple[dict[str, Any], set[str]]:
        """Return the schemas of a model's fields that clients send, and which are required."""
        name = self.of((model, "validation"))["$ref"].rpartition("/")[2]
        schema = self.components[name]
        return schema["properties"], set(schema.get("required", ()))
