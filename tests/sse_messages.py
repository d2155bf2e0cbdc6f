"""Read a whole stream of server-sent events with the parser of the client."""

from collections.abc import Iterable, Iterator

from seewhy.client.sse import Message, MessageParser


def read_messages(lines: Iterable[str]) -> Iterator[Message]:
    """Yield the complete messages of a stream."""
    parser = MessageParser()
    return (message for line in lines if (message := parser.feed(line)))
