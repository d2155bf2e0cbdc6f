"""The batch sizes that graphs are compiled for."""

from dataclasses import dataclass

BATCH_SIZES = (1, 2, 4, 8, 16, 32)


@dataclass(frozen=True, slots=True)
class BatchSizes:
    """The batch sizes up to a limit."""

    sizes: tuple[int, ...]

    @classmethod
    def up_to(cls, limit: int) -> "BatchSizes":
        """Choose the sizes that are at most `limit`."""
        return cls(tuple(size for size in BATCH_SIZES if size <= limit))

    @property
    def largest(self) -> int:
        """The largest batch."""
        return self.sizes[-1]

    def round_up(self, count: int) -> int:
        """Return the smallest batch that holds `count` images."""
        return next(size for size in self.sizes if size >= count)

    def largest_within(self, limit: float, *, each: float) -> int:
        """Return the largest batch that costs at most `limit`, or 1; an image costs `each`."""
        return max(size for size in self.sizes if size == 1 or size * each <= limit)
