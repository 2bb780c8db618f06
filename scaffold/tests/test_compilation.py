"""What the root must be to be compiled; what is wrong is named with file and line."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from scaffold.compilation import Compiler, Part
from scaffold.errors import ManifestError, ScaffoldError
from scaffold.manifest import Manifest, load_answers, load_manifest
from scaffold.tokens import Form, Text, Tokens, Value
from scaffold.trees import File

MANIFEST: dict[str, Any] = {
    "sentinel": "flight_delays",
    "record": "record.json",
    "files": {"stay": ["mine/"], "verbatim": ["lib/"], "rendered": ["src/", "record.json"]},
    "questions": {
        "project_name": {"description": "Name"},
        "host": {"description": "Host"},
    },
    "places": {"src/a.yml": ["host: {host}"]},
}
ANSWERS = {"template_version": "1", "project_name": "flight_delays", "host": "there"}
TREE = {
    "mine/a.py": b"flight_delays Flight_Delays\r\n",
    "lib/a.py": b"nothing\n",
    "lib/empty": b"",
    "src/flight_delays/a.py": b"import flight_delays\n",
    "src/a.yml": b"host: there\nx-host: there # there\n",
    "record.json": b'{"project_name": "flight_delays", "host": "there"}\n',
}


def compile_tree(changed: Mapping[str, bytes | None]) -> tuple[Part, ...]:
    files = {path: content for path, content in {**TREE, **changed}.items() if content is not None}
    tree = {path: File(content, path.endswith(".sh")) for path, content in files.items()}
    return Compiler(Manifest.model_validate(MANIFEST), ANSWERS).compile(tree)


def find_content(path: str, parts: tuple[Part, ...]) -> tuple[Tokens | bytes, bool]:
    ((content, executable),) = [
        (part.content, part.executable) for part in parts if part.path == (Text(path),)
    ]
    return content, executable


def test_what_stays_stays_and_names_and_places_become_values() -> None:
    parts = [(part.path, part.content) for part in compile_tree({})]
    name, host = Value("project_name"), Value("host")
    assert parts == [
        ((Text("lib/a.py"),), (Text("nothing\n"),)),
        ((Text("lib/empty"),), ()),
        ((Text("src/"), name, Text("/a.py")), (Text("import "), name, Text("\n"))),
        (
            (Text("src/a.yml"),),
            (Text("host: "), host, Text("\nx-host: "), host, Text(" # there\n")),
        ),
        (
            (Text("record.json"),),
            (
                Text('{"project_name": "'),
                name,
                Text('", "host": "'),
                host,
                Text('"}\n'),
            ),
        ),
    ]


def test_each_form_of_the_name_becomes_its_own() -> None:
    text = b"pr_17flight_delays flight-delays Flight delays"
    content, _ = find_content("src/x", compile_tree({"src/x": text}))
    assert content == (
        Text("pr_17"),
        Value("project_name", Form.SNAKE),
        Text(" "),
        Value("project_name", Form.KEBAB),
        Text(" "),
        Value("project_name", Form.TITLE),
    )


def test_a_binary_file_and_the_right_to_run_go_as_they_are() -> None:
    parts = compile_tree({"lib/x": b"\0\xff{{", "lib/run.sh": b"x"})
    assert find_content("lib/x", parts) == (b"\0\xff{{", False)
    assert find_content("lib/run.sh", parts) == ((Text("x"),), True)


@pytest.mark.parametrize("path", ["src/b.yml", "mine/"])
def test_a_belonging_of_no_file_that_goes_is_refused(path: str) -> None:
    manifest = Manifest.model_validate(
        {
            **MANIFEST,
            "places": {},
            "questions": {"ci": {"description": "CI", "choices": ["a"]}},
            "belongings": [{"option": "ci", "choices": ["a"], "paths": ["lib/", path]}],
        }
    )
    with pytest.raises(ManifestError, match=rf"\[\[belongings\]\] {path} covers nothing that goes"):
        Compiler(manifest, {}).compile({name: File(content) for name, content in TREE.items()})


REFUSED: dict[str, tuple[dict[str, bytes | None], str]] = {
    "no rule": ({"new.txt": b""}, r"^new\.txt: no rule covers it\. Add it"),
    "a rule for nothing": ({"mine/a.py": None}, r"\[files\] mine/ covers nothing"),
    "a name in a binary": ({"src/x": b"\0flight_delays"}, r"^src/x: a binary file with the"),
    "a name in what is verbatim": ({"lib/x": b"flight-delays"}, r"^lib/x: a verbatim file with"),
    "another spelling": ({"src/x": b"\n\nFLIGHT_DELAYS"}, r"^src/x:3: .* as 'FLIGHT_DELAYS'"),
    "prose": ({"src/x": b"of flight delays"}, r"^src/x:1: .* as 'flight delays'"),
    "another form in a path": ({"src/flight-delays": b""}, r"^src/flight-delays: a path with"),
    "another spelling in a path": ({"src/FlightDelays": b""}, r"^src/FlightDelays:1: "),
    "a carriage return": ({"src/x": b"a\nb\r\n"}, r"^src/x:2: a carriage return"),
    "a place that is gone": ({"src/a.yml": b"host:\n"}, r"^src/a\.yml: 'host: there' does not"),
    "a place in no file": ({"src/a.yml": None}, r"a place in src/a\.yml, which does not go"),
    "a record without an answer": ({"record.json": b"{}\n"}, r"^record\.json: .* does not stand"),
}  # fmt: skip


@pytest.mark.parametrize(("changed", "message"), REFUSED.values(), ids=REFUSED)
def test_a_root_is_refused(changed: dict[str, bytes | None], message: str) -> None:
    with pytest.raises(ScaffoldError, match=message):
        compile_tree(changed)


BELONGING = """
sentinel = "flight_delays"
record = "record.json"
files = {}
questions.ci = { description = "CI", choices = ["a", "b"] }
belongings = [{ option = "ci", choices = ["a", "x"], paths = ["src/"] }]
"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sentinel = 1", "sentinel: Input should be a valid string"),
        ("colour = 'red'", "colour: Extra inputs are not permitted"),
        ("[files]\nlost = []", "files.lost"),
        ("[questions.a]\ndescription = 'a'\nhint = 'b'", "questions.a.hint: Extra inputs"),
        ("sentinel =", "Invalid value"),
        (BELONGING, "ci = x is no choice; there are a, b"),
    ],
)
def test_a_manifest_that_says_what_nobody_reads_is_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "manifest.toml"
    path.write_text(text)
    with pytest.raises(ManifestError, match=rf"scaffold/manifest\.toml: .*{message}"):
        load_manifest(path)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ('{"template_version": "1", "project_name": "flight_delays"}', "The questions are"),
        (
            '{"template_version": "1", "project_name": "other", "host": "x"}',
            "The sentinel is flight_delays",
        ),
    ],
)
def test_own_answers_that_do_not_fit_the_questions_are_refused(
    tmp_path: Path, record: str, message: str
) -> None:
    (tmp_path / "record.json").write_text(record)
    with pytest.raises(ManifestError, match=message):
        load_answers(tmp_path, Manifest.model_validate(MANIFEST))
