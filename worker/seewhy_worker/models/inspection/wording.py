"""Short sentences about files, for `UnsupportedModel`."""

MAX_QUOTE_CHARACTERS = 200


def quote(text: object) -> str:
    """Return the first line of a text from a file or a library, cut to a readable length."""
    lines = [" ".join(line.split()) for line in str(text).splitlines() if line.strip()]
    line = lines[0] if lines else ""
    return line if len(line) <= MAX_QUOTE_CHARACTERS else f"{line[: MAX_QUOTE_CHARACTERS - 1]}…"


def format_bytes(count: int) -> str:
    """Return a size as people write it: `40.0 GB`."""
    if count >= 1_000_000_000:
        return f"{count / 1e9:,.1f} GB"
    return f"{count / 1e6:,.1f} MB"


def describe_unknown_class(file_name: str, *, name: str, class_name: str) -> str:
    """Say that a file names a class that nobody defines, and what to do."""
    return (
        f"{file_name} contains {name!r} of the class {quote(class_name)}, "
        "which Keras does not have and no module of `modules` in the catalog registers: name "
        "the module that defines it and registers it with "
        "`@keras.saving.register_keras_serializable()`, or rebuild the model of Keras layers."
    )
