"""Answer files of hypothesis: allowed answers, typos and attacks."""

import keyword
import re
import sys

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.tests.projects import ROOT
from scaffold.manifest import Question
from scaffold.refusals import list_clashes, list_refusals
from scaffold.templates import read_source
from scaffold.tests.rendering import Answers
from scaffold.tests.shapes import MANIFEST

INVALID = (
    "",
    " ",
    "a",
    "-a",
    "a-",
    "a b",
    "my-project",
    "7zoo",
    "1e3",
    "0x1F",
    "_zoo",
    "zoo_",
    "my__zoo",
    "Zoo",
    "zoo.zoo",
    "zoo/zoo",
    "../zoo",
    "/etc/passwd",
    "..",
    "C:\\zoo",
    "con",
    "lpt1",
    "zürich",
    "ﬁle",
    "зоо",
    "zoo\n",
    "zoo\nzoo",
    "zoo\r",
    "\tzoo",
    "zoo\0",
    "zoo\N{RIGHT-TO-LEFT OVERRIDE}",
    "zoo\N{NO-BREAK SPACE}zoo",
    "\N{SNOWMAN}",
    "'",
    '"',
    'users" #',
    "it's",
    "`id`",
    "$(id)",
    "$HOME",
    "${var.catalog}",
    "${{ github.token }}",
    "{{",
    "}}",
    "{{.project_name}}",
    "{{cookiecutter.project_name}}",
    "{% raw %}",
    "{#",
    '{{fail "x"}}',
    "a: b",
    "a #b",
    "&a",
    "*a",
    "!a",
    "a,b",
    "[a]",
    "null",
    "true",
    "yes",
    "no",
    "off",
    "~",
    "1_000",
    "12:30:45",
    "2013-01-01",
    "00000000-0000-0000-0000-000000000000",
    "12345678-1234-1234-1234-123456789012",
    "HEAD",
    "refs/heads/main",
    "feature/x",
    "release-1.0",
    "main.lock",
    "a..b",
    "@{-1}",
    "--force",
    "http://x.example.com",
    "https://x.example.com/",
    "https://x.example.com/?o=1",
    "https://x.example.com:8443",
    "https://user:pass@x.example.com",
    "https://1e3",
    "https://xn--bcher-kva.example",
    "https://bücher.example",
    "nobody",
    "a@b@c.example",
    "a.b+c@example.org",
    "<a@example.org>",
    "import",
    "select",
    "prod",
    "release",
    "information_schema",
    "default",
    "dev_laptop_zoo",
    "hive_metastore",
    "flight_delays",
    "a" * 31,
    "a" * 200,
    "https://" + "a" * 300,
)
NAMES = (*keyword.kwlist, *keyword.softkwlist, *sorted(sys.stdlib_module_names), "laptop", "pandas")


TYPED = (*INVALID, *NAMES)


_REFUSALS = list_refusals(read_source(ROOT), MANIFEST)
_CLASHES = list_clashes(MANIFEST)


def _allow(name: str, question: Question) -> st.SearchStrategy[str]:
    if question.choices:
        return st.sampled_from(question.choices)
    refusals = [refusal for refusal in _REFUSALS if refusal.answer == name]

    def passes(text: str) -> bool:
        return not any(refusal.applies({name: text}) for refusal in refusals)

    odd = [text for text in TYPED if re.fullmatch(question.pattern, text) and passes(text)]
    matching = st.from_regex(question.pattern, fullmatch=True).filter(passes)
    return st.one_of(matching, st.sampled_from(odd), matching) if odd else matching


_ALLOWED = st.fixed_dictionaries({name: _allow(name, q) for name, q in MANIFEST.questions.items()})
_SOUND = _ALLOWED.filter(lambda answers: not any(clash.applies(answers) for clash in _CLASHES))
_ANYTHING = st.one_of(st.sampled_from(TYPED), st.text(max_size=40), st.text(min_size=200))
# The answer to another question, unchanged or with a suffix.
_AGAIN = st.tuples(st.sampled_from(list(MANIFEST.questions)), st.sampled_from(("", "_2", "/next")))
_ECHOES = st.dictionaries(st.sampled_from(list(MANIFEST.questions)), _AGAIN, max_size=1)
_MISTAKES = st.dictionaries(
    st.sampled_from(list(MANIFEST.questions)), _ANYTHING, min_size=1, max_size=2
)


def list_answer_files(number: int) -> list[Answers]:
    """Return reproducible answer files: every other one allowed, the rest with mistakes."""
    files: list[Answers] = []

    @settings(
        max_examples=number,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(_SOUND, _MISTAKES, _ECHOES)
    def collect(allowed: Answers, mistakes: Answers, echoes: dict[str, tuple[str, str]]) -> None:
        repeated = {name: allowed[other] + more for name, (other, more) in echoes.items()}
        changed = {**mistakes, **repeated} if len(files) % 2 else {}
        files.append({**allowed, **changed})

    collect()
    return files
