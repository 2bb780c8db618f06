"""HTML pages that tasks log to MLflow, and their paths on disk."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

OF_RUN = "artifacts"
DEPTHS = ("*.html", "*/*.html")
NAMED = re.compile(r"runs:/(\w+)/(.+\.html)")


def pages_between(artifacts: Path, start_ms: int, end_ms: int) -> list[Path]:
    """Return the pages logged to MLflow runs in a time span, the oldest first."""
    written = {
        page: page.stat().st_mtime * 1000
        for depth in DEPTHS
        for page in artifacts.glob(f"*/*/{OF_RUN}/{depth}")
    }
    found = [page for page, when in written.items() if start_ms <= when <= end_ms]
    return sorted(found, key=written.__getitem__)


def pages_of_version(artifacts: Path, run_id: str, tags: Mapping[str, str]) -> list[Path]:
    """Return the pages of a model version: those of its run and those named in its tags."""
    found: dict[Path, None] = {}
    for depth in DEPTHS:
        found |= dict.fromkeys(sorted(artifacts.glob(f"*/{run_id}/{OF_RUN}/{depth}")))
    for run, name in (match.groups() for v in tags.values() if (match := NAMED.fullmatch(v))):
        found |= dict.fromkeys(artifacts.glob(f"*/{run}/{OF_RUN}/{name}"))
    return list(found)


def list_links(pages: Iterable[Path]) -> list[str]:
    """Return a line for each page: its name and a clickable link."""
    pages = list(pages)
    width = max((len(page.stem) for page in pages), default=0)
    return [f"  {page.stem:<{width}}  {page.resolve().as_uri()}" for page in pages]
