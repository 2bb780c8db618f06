"""Each test is run by one of the commands that run tests."""

import re

from conformance.tests.projects import ROOT
from scaffold.tests.repositories import list_files

FILE = re.compile(r"(?:^|/)tests/(?:.*/)?test_\w+\.py$")
LISTS = re.compile(r"^(QUICK|SLOW) \+?:?= ((?:.*\\\n)*.*)", re.MULTILINE)
# Tests that need a target, and folders that are checked elsewhere.
ELSEWHERE = ("tests/integration/", "template/")


def test_each_file_of_tests_is_in_one_folder_of_one_command() -> None:
    text = "".join((ROOT / path).read_text() for path in ("Makefile", "scaffold/repository.mk"))
    folders = [
        (kind, folder)
        for kind, listed in LISTS.findall(text)
        for folder in re.findall(r"[\w/]+/[\w/]+", listed)
    ]
    assert {kind for kind, _ in folders} == {"QUICK", "SLOW"}
    files = [path for path in list_files(ROOT) if FILE.search(path)]
    assert len(files) > 100
    for file in files:
        if not file.startswith(ELSEWHERE):
            assert sum(file.startswith(f"{folder}/") for _, folder in folders) == 1, file
