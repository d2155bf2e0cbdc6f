"""What a network sees of the colors of an image."""

from typing import Annotated, Literal

from pydantic import Field

ChannelWeight = Annotated[float, Field(allow_inf_nan=False)]
Channels = Literal["rgb", "luma"] | tuple[ChannelWeight, ChannelWeight, ChannelWeight]
"""Red, green and blue; or one channel: the luma of ITU-R BT.601, or a weighted sum of the three."""


def channel_count(channels: Channels) -> int:
    """Return how many channels the input of the network has."""
    return 3 if channels == "rgb" else 1
