"""One update, from the record to a branch that carries it."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import UpdateError
from .record import NAME, Questions, Record, compare_questions, read_record
from .repository import Repository, find_repository
from .template import Render, Template


@dataclass(frozen=True)
class Update:
    """What an update has done.

    Attributes:
        old: What the project was made of until now.
        new: What it is made of from now on.
        questions: How their questions differ.
        branch: What carries the update.
        conflicts: The files in which the project and the template contradict each other.
        changes: Which files have changed, where there is no conflict.
    """

    old: Record
    new: Record
    questions: Questions
    branch: str
    conflicts: tuple[str, ...]
    changes: str


def update(project: Path, address: str, tag: str, given: Mapping[str, str]) -> Update:
    """Brings a version of the template into a project, as a branch of its repository.

    What changed between two renders of the same answers, one of the version that the project
    records and one of the new version, is applied to the project as a commit. Until that begins,
    neither the working tree nor any branch is touched.

    Args:
        project: The project's root.
        address: The template's repository.
        tag: The version's tag there.
        given: Answers that are new or that change.

    Raises:
        UpdateError: It cannot be done; the message says what to do.
    """
    repository = find_repository(project)
    record = read_record(project)
    repository.check_clean()
    check_answers(record, tag, given)
    branch = f"{record.name}-template-{tag}"
    repository.check_branch(branch)
    with tempfile.TemporaryDirectory(prefix="project-update-") as scratch:
        template = Template(address, Path(scratch))
        template.check_tags(record.tag, tag)
        old = template.render(record.tag, record.answers, "old")
        check_record(record, old.record)
        new = template.render(tag, {**record.answers, **given}, "new")
        check_taken(given, new.record)
        commit = commit_change(repository, old, new)
    conflicts = repository.pick(commit, branch)
    return Update(
        record,
        new.record,
        compare_questions(record, new.record, given),
        branch,
        conflicts,
        "" if conflicts else repository.describe_head(),
    )


def check_answers(record: Record, tag: str, given: Mapping[str, str]) -> None:
    """Check that there is something to do, and that the project keeps its name.

    Raises:
        UpdateError: there is not, or it does not.
    """
    if given.get(NAME, record.name) != record.name:
        what = f"{NAME} is {record.name} and cannot become {given[NAME]}."
        raise UpdateError(what, "Everything that is deployed carries it: make a new project.")
    if tag == record.tag and given.items() <= record.answers.items():
        what = f"{record.name} is at {tag} of the template already, with these answers."
        raise UpdateError(what, "Name another tag, or an answer that changes.")


def check_record(recorded: Record, made: Record) -> None:
    """Check that a project's record is what its version writes of its answers.

    Raises:
        UpdateError: an answer is missing, or one to no question.
    """
    if recorded.answers != made.answers:
        odd = sorted(dict(recorded.answers.items() ^ made.answers.items()))
        what = f"The project's record is not one of {made.tag}: it differs in {', '.join(odd)}."
        raise UpdateError(what, f"{made.tag} asks for {', '.join(made.answers)}.")


def check_taken(given: Mapping[str, str], made: Record) -> None:
    """Check that the new version has taken the answers that were given.

    Raises:
        UpdateError: it does not ask for one; the CLI itself passes over it in silence.
    """
    if unknown := sorted(dict(given.items() - made.answers.items())):
        what = f"{made.tag} of the template does not ask for {', '.join(unknown)}."
        raise UpdateError(what, f"It asks for {', '.join(made.answers)}.")


def commit_change(repository: Repository, old: Render, new: Render) -> str:
    """Return a commit that changes what the old render wrote into what the new one writes.

    What else the repository holds stands on both sides, so that git takes nothing of it for a
    renamed file of the template.
    """
    place, head = repository.place, repository.read_head()
    before, after = (
        {place.locate(path, one.record.name): file for path, file in tree.items()}
        for one, tree in ((old, repository.store(old.folder)), (new, repository.store(new.folder)))
    )
    written = (*before, *after)
    base = repository.commit(place.replace(head, before, written), "The template as it was")
    message = f"Bring {new.record.name} to {new.record.tag} of its template"
    return repository.commit(place.replace(head, after, written), message, base)
