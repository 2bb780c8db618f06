"""Run external programs."""

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
    """Run a program in a folder and return its standard output.

    Args:
        command: The program and its arguments.
        folder: Working directory.
        text: Standard input.
        environment: All environment variables; by default those of this process.

    Raises:
        ProgramError: The exit code is not 0.
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
