"""Programs that the update runs."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from .errors import ProgramError


def run(
    command: Sequence[str],
    folder: Path,
    *,
    text: str = "",
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run a program in a folder and return what it printed.

    Args:
        command: The program and its arguments.
        folder: Where it runs.
        text: What it reads.
        environment: All its variables; those of this process where there are none.

    Raises:
        ProgramError: It failed.
    """
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        input=text,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        said = (done.stderr + done.stdout).strip()
        raise ProgramError(" ".join(command), done.returncode, said)
    return done.stdout
