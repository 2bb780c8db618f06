"""Commands in the documents."""

import re
from pathlib import Path


def list_commands(document: Path) -> list[str]:
    """Return the lines of a document's `sh` blocks without comments."""
    blocks = re.findall(r"```sh\n(.*?)```", document.read_text(), re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]
