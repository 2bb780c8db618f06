"""The parity table of laptop/README.md, made of parity.toml: python laptop/tests/parity.py."""

import tomllib
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator

ROOT = Path(__file__).parents[2]
DECLARED = Path(__file__).with_suffix(".toml")
README = ROOT / "laptop" / "README.md"
HEADING = "## What is real, emulated, absent\n"


class Row(BaseModel):
    """What the laptop has of one surface, and what shows it.

    Attributes:
        surface: What people know it by.
        how: How it differs from Databricks, or how it is refused.
        client: The client that the witness goes through.
        witness: A test, by file and name; what is absent may have a command instead.
        command: A command of the databricks CLI that asks for what is absent.
        says: What it is answered, word by word.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    surface: str
    how: str = ""
    client: str = "databricks CLI"
    witness: str = ""
    command: str = ""
    says: str = ""

    @model_validator(mode="after")
    def _check_what_shows_it(self) -> Self:
        if bool(self.witness) == bool(self.command) or bool(self.command) != bool(self.says):
            raise ValueError(f"{self.surface}: give a witness, or a command and what it says")
        return self

    def write(self, state: str) -> str:
        """Return the row of the table."""
        told = self.how or f"`{self.says.replace('`', '')}`"
        name = self.witness.rpartition("::test_")[2].replace("_", " ")
        shown = f"*{name}*" if name else f"`{self.command}`"
        return f"| {self.surface} | {state} | {told} | {self.client}: {shown} |\n"


class Parity(BaseModel):
    """All surfaces, by what the laptop has of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    real: tuple[Row, ...]
    emulated: tuple[Row, ...]
    recorded: tuple[Row, ...]
    absent: tuple[Row, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """Every row."""
        return (*self.real, *self.emulated, *self.recorded, *self.absent)

    def write(self) -> str:
        """Return the table."""
        lines = ["| surface | here | how, or what it says | shown by |\n|---|---|---|---|\n"]
        for state in type(self).model_fields:
            lines += [row.write(state) for row in getattr(self, state)]
        return "".join(lines)


def load_parity() -> Parity:
    """Read what is declared."""
    return Parity.model_validate(tomllib.loads(DECLARED.read_text(encoding="utf-8")))


def write_readme(parity: Parity) -> str:
    """Return laptop/README.md with the table of now."""
    before, heading, after = README.read_text(encoding="utf-8").partition(HEADING)
    intro, _, rest = after.partition("| surface |")
    _, _, rest = rest.partition("|\n\n")
    return f"{before}{heading}{intro}{parity.write()}\n{rest}"


if __name__ == "__main__":
    README.write_text(write_readme(load_parity()), encoding="utf-8")
