"""Digest of the code, hyperparameters and policy of a training."""

import hashlib
from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable

from .loading import ROOT_PACKAGE, read_configuration


def digest_training(policy: str) -> str:
    """Return the SHA-256 of problem/, conf/model.yml and the policy.

    Two versions with the same digest differ only in training data and library versions.

    Args:
        policy: Name of the policy file under conf/, without its extension.
    """
    digest = hashlib.sha256()
    texts = {f"conf/{name}.yml": read_configuration(name).encode() for name in ("model", policy)}
    for name, content in sorted({**texts, **dict(_read_problem())}.items()):
        for part in (name.encode(), content):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _read_problem() -> Iterator[tuple[str, bytes]]:
    waiting: list[tuple[str, Traversable]] = [
        ("problem", resources.files(ROOT_PACKAGE) / "problem")
    ]
    while waiting:
        name, found = waiting.pop()
        if found.is_file():
            yield name, found.read_bytes()
        elif found.is_dir() and found.name != "__pycache__":
            waiting.extend((f"{name}/{each.name}", each) for each in found.iterdir())
