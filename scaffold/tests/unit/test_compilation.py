"""What the root must be to be compiled; what is wrong is named with file and line."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from scaffold.compilation import Compiler, Condition, Location, Part
from scaffold.errors import ManifestError, ScaffoldError, SourceError
from scaffold.manifest import Manifest, load_answers, load_manifest
from scaffold.tokens import Form, If, Text, Tokens, Value
from scaffold.trees import File

MANIFEST: dict[str, Any] = {
    "sentinel": "flight_delays",
    "record": "record.json",
    "files": {"stay": ["mine/"], "verbatim": ["lib/"], "rendered": ["src/", "record.json"]},
    "questions": {
        "project_name": {"description": "Name"},
        "host": {"description": "Host"},
    },
    "substitutions": {"src/a.yml": ["host: {host}"]},
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
        (part.content, part.executable) for part in parts if part.locations[0].path == (Text(path),)
    ]
    return content, executable


def test_what_stays_stays_and_names_and_places_become_values() -> None:
    parts = [(part.locations[0].path, part.content) for part in compile_tree({})]
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


CI = {"questions": {"ci": {"description": "CI", "choices": ["a", "b", "c"]}}, "substitutions": {}}
MOVE = {"src/a.yml": "../src/flight_delays.yml"}


def compile_chosen(**tables: Any) -> tuple[Part, ...]:
    """Compile the tree with tables that ask for the choice `a` of the option `ci`."""
    chosen = {
        name: [{"option": "ci", "choices": ["a"], **row} for row in rows]
        for name, rows in tables.items()
    }
    manifest = Manifest.model_validate({**MANIFEST, **CI, **chosen})
    tree = {name: File(content) for name, content in TREE.items()}
    return Compiler(manifest, {}).compile(tree)


def compile_overlay(**files: list[str]) -> tuple[Part, ...]:
    """Compile the tree with a second source of src/a.yml, of which `files` says which one goes."""
    manifest = {
        **MANIFEST,
        "overlay": "over/",
        "files": {"stay": ["mine/"], "verbatim": ["lib/"], **files},
        "substitutions": {"over/src/a.yml": ["host: {host}"]},
    }
    tree = {**TREE, "over/src/a.yml": b"host: there\n"}
    compiler = Compiler(Manifest.model_validate(manifest), ANSWERS)
    return compiler.compile({path: File(content) for path, content in tree.items()})


def test_overlay_file_is_rendered_in_place_of_the_root_s() -> None:
    parts = compile_overlay(stay=["mine/", "src/"], rendered=["over/", "record.json"])
    content, _ = find_content("src/a.yml", parts)
    assert content == (Text("host: "), Value("host"), Text("\n"))


def test_overlay_file_is_refused_if_the_root_s_is_rendered_too() -> None:
    with pytest.raises(SourceError, match=r"^over/src/a\.yml: src/a\.yml is rendered to the same"):
        compile_overlay(rendered=["over/", "src/", "record.json"])


def test_a_file_stands_in_one_of_two_places_if_it_goes_at_all() -> None:
    parts = compile_chosen(file_conditions=[{"paths": ["src/"]}], relocations=[{"paths": MOVE}])
    chosen, other = Condition("ci", ("a",)), Condition("ci", ("b", "c"))
    name = Value("project_name")
    assert [part.locations for part in parts] == [
        (Location((Text("lib/a.py"),)),),
        (Location((Text("lib/empty"),)),),
        (Location((Text("src/"), name, Text("/a.py")), (chosen,)),),
        (
            Location((Text("src/a.yml"),), (chosen, other)),
            Location((Text("../src/"), name, Text(".yml")), (chosen, chosen)),
        ),
        (Location((Text("record.json"),)),),
    ]


def test_value_of_an_option_becomes_a_condition_with_the_name_in_it() -> None:
    texts = {"a": "in flight_delays\n  ", "b": "", "c": ""}
    tables = {
        "values": {"where": {"option": "ci", "texts": texts}},
        "substitutions": {"src/a.yml": ["{where}x-host:"]},
    }
    manifest = Manifest.model_validate({**MANIFEST, **CI, **tables})
    tree = {**TREE, "record.json": b'{"ci": "b"}\n'}
    files = {name: File(content) for name, content in tree.items()}
    content, _ = find_content("src/a.yml", Compiler(manifest, {"ci": "b"}).compile(files))
    chosen = (Text("in "), Value("project_name"), Text("\n  "))
    assert content == (
        Text("host: there\n"),
        If("ci", ("a",), chosen),
        Text("x-host: there # there\n"),
    )


LOST: dict[str, tuple[dict[str, Any], str]] = {
    "a file": (
        {"file_conditions": [{"paths": ["lib/", "src/b.yml"]}]},
        "file_conditions.. src/b.yml covers",
    ),
    "a folder": (
        {"file_conditions": [{"paths": ["lib/", "mine/"]}]},
        "file_conditions.. mine/ covers",
    ),
    "a moved file": (
        {"relocations": [{"paths": {"x": "../flight_delays"}}]},
        "relocations.. x covers",
    ),
}


@pytest.mark.parametrize(("tables", "message"), LOST.values(), ids=LOST)
def test_what_is_said_of_a_file_that_does_not_go_is_refused(
    tables: dict[str, Any], message: str
) -> None:
    with pytest.raises(ScaffoldError, match=message):
        compile_chosen(**tables)


TARGETS = {
    "of another choice": ({"choices": ["x"]}, "ci = x is not a choice; there are a, b, c"),
    "in the project": ({"paths": {"src/a.yml": "flight_delays.yml"}}, r"must start with \.\./"),
    "further above": ({"paths": {"src/a.yml": "../../flight_delays.yml"}}, "must start with"),
    "that projects share": ({"paths": {"src/a.yml": "../all.yml"}}, "hold flight_delays"),
    "of two files": ({"paths": {**MOVE, "src/b.yml": MOVE["src/a.yml"]}}, "names .* twice"),
}  # fmt: skip


@pytest.mark.parametrize(("row", "message"), TARGETS.values(), ids=TARGETS)
def test_a_place_above_the_project_is_refused(row: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        compile_chosen(relocations=[{"paths": MOVE, **row}])


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
    "a substitution that is gone": (
        {"src/a.yml": b"host:\n"},
        r"^src/a\.yml: 'host: there' does not",
    ),
    "a substitution in no file": (
        {"src/a.yml": None},
        r"\[substitutions\] src/a\.yml covers nothing",
    ),
    "a record without an answer": ({"record.json": b"{}\n"}, r"^record\.json: .* does not occur"),
}  # fmt: skip


@pytest.mark.parametrize(("changed", "message"), REFUSED.values(), ids=REFUSED)
def test_a_root_is_refused(changed: dict[str, bytes | None], message: str) -> None:
    with pytest.raises(ScaffoldError, match=message):
        compile_tree(changed)


VALUE = """
sentinel = "flight_delays"
record = "record.json"
files = {}
questions.ci = { description = "CI", choices = ["a", "b"] }
values.NAME = { option = "OPTION", texts = { a = "1" } }
"""
FILE_CONDITION = """
sentinel = "flight_delays"
record = "record.json"
files = {}
questions.ci = { description = "CI", choices = ["a", "b"] }
file_conditions = [{ option = "ci", choices = ["a", "x"], paths = ["src/"] }]
"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sentinel = 1", "sentinel: Input should be a valid string"),
        ("colour = 'red'", "colour: Extra inputs are not permitted"),
        ("[files]\nlost = []", "files.lost"),
        ("[questions.a]\ndescription = 'a'\ncolour = 'b'", "questions.a.colour: Extra inputs"),
        ("sentinel =", "Invalid value"),
        (
            VALUE.replace("NAME", "x").replace("OPTION", "ci"),
            "values.x has texts of a; ci is a, b",
        ),
        (VALUE.replace("NAME", "x").replace("OPTION", "cd"), "cd is no option"),
        (VALUE.replace("NAME", "ci").replace("OPTION", "ci"), "values.ci is a question's name"),
        (FILE_CONDITION, "ci = x is not a choice; there are a, b"),
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
