import io
from pathlib import Path
from typing import Any

import pytest
from laptop.attempts import SEE_LOG, read_failure_line
from laptop.progress import Report, Row, Seen
from laptop.summary import headline, summarize
from rich.console import Console

LOG = """\
reading
Traceback (most recent call last):
  File "a.py", line 1, in <module>
    raise KeyError("x")
KeyError: 'x'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "a.py", line 3, in <module>
    fail()
    ^^^^^^
project.lakehouse.errors.ValidationFailedError: Version 3 of a.b.c failed validation.
min_auc: 0.5, expected at least 0.64

For a table see the page.
"""
SENTENCE = (
    "ValidationFailedError: Version 3 of a.b.c failed validation. "
    "min_auc: 0.5, expected at least 0.64"
)


def console(width: int = 100, *, terminal: bool = False) -> Console:
    return Console(
        file=io.StringIO(),
        width=width,
        highlight=False,
        force_terminal=terminal,
        color_system="standard" if terminal else None,
        legacy_windows=False,
    )


def printed(where: Console) -> str:
    assert isinstance(where.file, io.StringIO)
    return where.file.getvalue()


def attempt(key: str, log: Path, result: str, times: tuple[int, int], **more: Any) -> Row:
    state = {"life_cycle_state": "TERMINATED", "result_state": result}
    if result == "FAILED":
        state["state_message"] = SEE_LOG
    return Row(
        key,
        {
            "task_key": key,
            "run_id": hash(key),
            "attempt_number": 0,
            "python_wheel_task": {},
            "log": str(log),
            "state": state,
            "values": {},
            "start_time": times[0],
            "end_time": times[1],
            **more,
        },
    )


def seen(*rows: Row, result: str = "SUCCESS") -> Seen:
    return Seen({"state": {"life_cycle_state": "TERMINATED", "result_state": result}}, list(rows))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (LOG, SENTENCE),
        ("Traceback (most recent call last):\n  File 'a'\nRuntimeError\n", "RuntimeError"),
        ("The entry point called sys.exit(0); return instead.\n\n", "The entry point called"),
        ("", ""),
    ],
)
def test_last_words_are_the_exceptions_own_sentence(tmp_path: Path, text: str, words: str) -> None:
    log = tmp_path / "task.log"
    log.write_text(text)
    found = read_failure_line(log)
    assert found.startswith(words)
    assert bool(found) == bool(words)
    assert "For a table" not in found


def test_failure_says_sentence_and_page_in_red_and_links_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "validate.log"
    log.write_text(LOG)
    page = tmp_path / "artifacts/1/abc/artifacts/validation.html"
    page.parent.mkdir(parents=True)
    page.touch()
    written = int(page.stat().st_mtime * 1000)
    row = attempt("validate", log, "FAILED", (written - 5, written + 5))
    other = attempt("before", tmp_path / "none", "SUCCESS", (written - 20, written - 10))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NO_COLOR", raising=False)
    where = console(400, terminal=True)
    summarize(where, seen(other, row, result="FAILED"), tmp_path / "artifacts")
    shown = printed(where)
    assert shown.count(f"\x1b[31m{SENTENCE}") == 1  # in the table
    assert f"\x1b[31mvalidate failed. {SENTENCE}" in shown
    assert shown.count("page artifacts/1/abc/artifacts/validation.html") == 1
    assert f"validation  {page.as_uri()}\n" in shown
    assert headline(seen(other, row)) == f"validate: {SENTENCE}"


def test_events_are_shown_in_the_order_in_which_they_happened(tmp_path: Path) -> None:
    logs = {name: tmp_path / f"{name}.log" for name in ("ingest", "features")}
    for name, log in logs.items():
        log.write_text(f"{name} works\n")
    where = console()
    Report(where).show(
        seen(
            attempt("features", logs["features"], "SUCCESS", (3000, 5000)),
            attempt("ingest", logs["ingest"], "SUCCESS", (1000, 3000)),
        )
    )
    lines = [line[9:] for line in printed(where).splitlines()]
    assert lines == [
        "ingest started",
        "ingest │ ingest works",
        "ingest SUCCESS 2.0 s",
        "features started",
        "features │ features works",
        "features SUCCESS 2.0 s",
    ]


def test_wide_lines_wrap_at_words_in_a_terminal_alone(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("somewhere " * 12 + "\n")
    row = attempt("a", log, "SUCCESS", (1, 2))
    narrow, pipe = console(50, terminal=True), console(50)
    for where in (narrow, pipe):
        Report(where).show(seen(row))
    assert printed(pipe).splitlines()[1].count("somewhere") == 12
    wrapped = [line for line in printed(narrow).splitlines() if "some" in line]
    assert len(wrapped) > 2
    assert sum(line.count("somewhere") for line in wrapped) == 12
    assert all(line.startswith(" " * 13) for line in wrapped[1:])


def test_a_brief_run_has_a_line_for_each_end_alone_with_what_was_left(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("told\n")
    row = attempt("a", log, "SUCCESS", (1, 1001), values={"x": 1, "y": "two"})
    where = console()
    Report(where, brief=True).show(seen(row))
    summarize(where, seen(row), tmp_path / "artifacts", brief=True)
    assert [line[9:] for line in printed(where).splitlines()] == ["a SUCCESS 1.0 s x = 1, y = two"]
