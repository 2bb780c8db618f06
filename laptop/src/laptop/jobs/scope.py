"""What runs, a task, an attempt may take: until when, and unless it is stopped."""

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic


class Scope:
    """A deadline and a stop for all that goes on inside it.

    Args:
        deadline: On the monotonic clock.
    """

    def __init__(self, deadline: float = math.inf) -> None:
        self.deadline = deadline
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._enders: list[Callable[[], None]] = []

    @property
    def stopped(self) -> bool:
        """Whether it was stopped."""
        return self._stopped.is_set()

    @property
    def remaining(self) -> float:
        """Seconds until the deadline."""
        return max(0.0, self.deadline - monotonic())

    @property
    def limit(self) -> float | None:
        """Seconds to wait for something inside, as waiting takes them; None is for ever."""
        return None if self.deadline == math.inf else self.remaining

    def stop(self) -> None:
        """End all that goes on inside."""
        with self._lock:
            self._stopped.set()
            enders = list(self._enders)
        for end in enders:
            end()

    def pause(self, seconds: float) -> None:
        """Wait, no longer than to the deadline or the stop."""
        self._stopped.wait(min(seconds, self.remaining))

    @contextmanager
    def ending(self, end: Callable[[], None]) -> Iterator[None]:
        """Have `end` called if the stop comes while the block runs, or has come before."""
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
        """Give a scope inside this one, of so many seconds; 0 sets no limit of its own."""
        own = monotonic() + seconds if seconds else math.inf
        inner = Scope(min(own, self.deadline))
        with self.ending(inner.stop):
            yield inner
