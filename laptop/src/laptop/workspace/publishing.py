"""Simulated delays and failures of publishing: `publishing.json` in the state folder."""

import json
import threading
import time
from pathlib import Path
from typing import Any

FILE = "publishing.json"
_STEP_SECONDS = 0.05
# The file may be read while it is written.
_ATTEMPTS = 20


class Publishing:
    """Delays and failures set in `publishing.json`.

    ```json
    {"delay_seconds": 20, "failures": {"main.shop.weather_online": "No space is left."}}
    ```

    The file is reread while a publication waits, so changes take effect at once.

    Args:
        state_dir: The workspace's state folder.
    """

    def __init__(self, state_dir: Path) -> None:
        self._file = state_dir / FILE

    def wait(self, online_table: str, since: float, stop: threading.Event) -> str | None:
        """Wait for the delay of a publication; return its failure message, or None.

        Args:
            online_table: The online table.
            since: Time of the request, in seconds since the epoch.
            stop: Event that ends the wait.

        Raises:
            ValueError: The file is invalid.
        """
        while True:
            settings = self._read()
            left = since + float(settings.get("delay_seconds", 0)) - time.time()
            if left <= 0 or stop.wait(min(left, _STEP_SECONDS)):
                failures: dict[str, str] = settings.get("failures", {})
                return failures.get(online_table, failures.get("*"))

    def _read(self) -> dict[str, Any]:
        for _ in range(_ATTEMPTS):
            try:
                settings = json.loads(self._file.read_text(encoding="utf-8"))
            except FileNotFoundError:
                return {}
            except ValueError:
                time.sleep(_STEP_SECONDS)
                continue
            if isinstance(settings, dict):
                return settings
            break
        raise ValueError(
            f'{self._file} must hold an object such as {{"delay_seconds": 20, "failures": '
            '{"catalog.schema.online_table": "message"}}. Correct it, or delete it.'
        )
