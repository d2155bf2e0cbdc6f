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
