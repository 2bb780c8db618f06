"""How publications go: `publishing.json` of the state folder, which people and tests write."""

import json
import threading
import time
from pathlib import Path
from typing import Any

FILE = "publishing.json"
_STEP_SECONDS = 0.05
# A file that is being written may be read in half.
_ATTEMPTS = 20


class Publishing:
    """What `publishing.json` says of the publications of a workspace.

    ```json
    {"delay_seconds": 20, "failures": {"main.shop.weather_online": "No space is left."}}
    ```

    It is read again while a publication waits: what is written there holds at once.

    Args:
        state_dir: The workspace's state folder.
    """

    def __init__(self, state_dir: Path) -> None:
        self._file = state_dir / FILE

    def wait(self, online_table: str, since: float, stop: threading.Event) -> str | None:
        """Wait until a publication has taken its time; return why it fails, None if it does not.

        Args:
            online_table: What is published.
            since: When it was asked for, in seconds since the epoch.
            stop: Ends the waiting.

        Raises:
            ValueError: The file holds no such settings.
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
