"""Interact with a program at a terminal."""

import os
import pty
import re
import select
import subprocess
import termios
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b\].*?(?:\x07|\x1b\\)|\r")
PATIENCE = 120.0


class Terminal:
    """A program on a pseudo-terminal."""

    def __init__(self, command: list[str], environment: Mapping[str, str]) -> None:
        self._outer, inner = pty.openpty()
        # No echo, so that only the program's output is read.
        modes = termios.tcgetattr(inner)
        modes[3] &= ~termios.ECHO
        termios.tcsetattr(inner, termios.TCSANOW, modes)
        self._process = subprocess.Popen(
            command,
            env=environment,
            stdin=inner,
            stdout=inner,
            stderr=inner,
            start_new_session=True,
        )
        os.close(inner)
        self._said = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._outer)

    def expect(self, text: str) -> str:
        """Wait for a text and return the output since the last one.

        Raises:
            AssertionError: The text does not appear, or the program ends.
        """
        before, found, after = self._read(until=text).partition(text)
        assert found, f"expected {text!r}, got {before!r}"
        self._said = after
        return before

    def type(self, keys: str) -> None:
        """Type keys."""
        os.write(self._outer, keys.encode())

    def end(self) -> tuple[int, str]:
        """Wait for the program to exit, and return its exit code and remaining output."""
        return self._process.wait(timeout=PATIENCE), self._read(until=None)

    def _read(self, until: str | None) -> str:
        deadline = time.monotonic() + PATIENCE
        while until is None or until not in self._said:
            left = deadline - time.monotonic()
            if left < 0 or not select.select([self._outer], [], [], left)[0]:
                break
            try:
                self._said += _CONTROL.sub("", os.read(self._outer, 65536).decode(errors="replace"))
            # Linux raises this once the other end is closed.
            except OSError:
                break
        return self._said
