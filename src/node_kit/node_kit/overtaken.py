"""What a queue that keeps only the newest messages has let go of."""

from __future__ import annotations

from collections.abc import Mapping


class Overtaken:
    """Counts the messages of a topic with one publisher that newer ones replaced before they were taken.

    Told by the numbers the middleware gives them; one that gives none leaves the count at zero.
    """

    def __init__(self) -> None:
        self.count = 0
        self._newest: int | None = None

    def take(self, info: Mapping[str, int | None]) -> None:
        """A message came, with the information rclpy hands to a callback of two arguments."""
        number = info.get("publication_sequence_number")
        if number is None:
            return
        if self._newest is not None and number > self._newest:  # not so after the publisher was started again
            self.count += number - self._newest - 1
        self._newest = number
