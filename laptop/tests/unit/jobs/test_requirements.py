from importlib.metadata import version
from pathlib import Path

import pytest
from laptop.jobs.errors import JobError
from laptop.jobs.requirements import check_dependency, read_requirements

PANDAS = version("pandas")
FOLDER = "https://packages.example.com"


@pytest.mark.parametrize(
    "text",
    [
        "pandas",
        "pandas >= 2, < 99  --hash=sha256:abc",
        "pandas[performance]>=2",
        f"pandas @ {FOLDER}/pandas-{PANDAS}-py3-none-any.whl",
        f"{FOLDER}/pandas-{PANDAS}-py3-none-any.whl#sha256=abc",
        f"git+{FOLDER}/pandas.git@v1",
        f"git+{FOLDER}/x@v1#egg=pandas",
        "absent-package; python_version < '3'",
        "databricks-feature-engineering>=99",
        "-c constraints.txt",
        "--index-url https://packages.example.com/simple",
        "--extra-index-url=https://packages.example.com/simple",
        "--find-links /somewhere",
        "--pre",
    ],
)
def test_what_is_installed_or_an_option_of_pip_is_taken(text: str) -> None:
    check_dependency(text, "a", Path)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("absent-package", "'absent-package'; installed is none"),
        ("pandas<1", "'pandas<1'; installed is "),
        (f"pandas @ {FOLDER}/pandas-0.1-py3-none-any.whl", "installed is"),
        (f"absent @ {FOLDER}/absent.tar.gz", "installed is none"),
        (f"git+{FOLDER}/absent.git", "installed is none"),
        ("-e ./inner", "'-e ./inner', a folder"),
        ("--editable /Workspace/x", "a folder"),
        (".", "'.', a folder"),
        ("/Volumes/a/b/c/x.tar.gz", "a folder or file"),
        ("-r /Workspace/Shared/common.txt", "which is not in this workspace"),
        ("-r common.txt", "which is not in this workspace"),
        ("two words", "not a valid requirement"),
    ],
)
def test_what_cannot_be_had_is_refused_by_name(text: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(JobError, match="Task 'a' needs") as caught:
        check_dependency(text, "a", lambda _: tmp_path / "none")
    assert problem in str(caught.value)


def test_files_of_requirements_are_read_line_by_line(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "a.txt").write_text("# first\npandas>=2 \\\n  ,<99 # why\n\n-r in/b.txt\n--pre\n")
    (tmp_path / "in" / "b.txt").write_text("--requirement=c.txt\nnumpy")
    (tmp_path / "in" / "c.txt").write_text("-r /Workspace/x.txt")
    found = list(read_requirements(tmp_path / "a.txt"))
    assert [" ".join(line.split()) for line in found] == [
        "pandas>=2 ,<99",
        "-r /Workspace/x.txt",
        "numpy",
        "--pre",
    ]


def test_a_file_that_names_itself_or_is_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("-r b.txt")
    with pytest.raises(JobError, match=r"b\.txt is not there"):
        list(read_requirements(tmp_path / "a.txt"))
    (tmp_path / "b.txt").write_text("-r a.txt")
    with pytest.raises(JobError, match=r"a\.txt names itself"):
        list(read_requirements(tmp_path / "a.txt"))


def test_what_a_file_of_the_workspace_names_is_checked(tmp_path: Path) -> None:
    (tmp_path / "common.txt").write_text("absent-package")
    with pytest.raises(JobError, match="absent-package"):
        check_dependency("-r /Workspace/common.txt", "a", lambda _: tmp_path / "common.txt")
