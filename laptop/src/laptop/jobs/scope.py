"""Deadline and cancellation of a run, task or attempt."""

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic


class Scope:
    """A deadline and a stop signal for a block of work.

    Args:
        deadline: Deadline on the monotonic clock.
    """

    def __init__(self, deadline: float = math.inf) -> None:
        self.deadline = deadline
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._enders: list[Callable[[], None]] = []

    @property
    def stopped(self) -> bool:
        """Whether the scope was stopped."""
        return self._stopped.is_set()

    @property
    def remaining(self) -> float:
        """Seconds until the deadline."""
        return max(0.0, self.deadline - monotonic())

    @property
    def limit(self) -> float | None:
        """Seconds to the deadline as a `timeout` argument; None if there is no deadline."""
        return None if self.deadline == math.inf else self.remaining

    def stop(self) -> None:
        """Stop the scope and all scopes inside it."""
        with self._lock:
            self._stopped.set()
            enders = list(self._enders)
        for end in enders:
            end()

    def pause(self, seconds: float) -> None:
        """Sleep until `seconds` have passed, the deadline is reached or the scope is stopped."""
        self._stopped.wait(min(seconds, self.remaining))

    @contextmanager
    def ending(self, end: Callable[[], None]) -> Iterator[None]:
        """Call `end` if the scope is stopped before or during the block."""
        with self._lock:
            self._enders.append(end)
            stopped = self.stopped
        if stopped:
            end()
        try:
            yield
        finally:
            with self._lock:
                self._enders.remove(end)

    @contextmanager
    def narrow(self, seconds: float = 0) -> Iterator["Scope"]:
        """Yield an inner scope with a timeout in seconds; 0 for none of its own."""
        own = monotonic() + seconds if seconds else math.inf
        inner = Scope(min(own, self.deadline))
        with self.ending(inner.stop):
            yield inner
