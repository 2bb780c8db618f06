"""Update a project on a new branch."""

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
    """Result of an update.

    Attributes:
        old: Record before the update.
        new: Record after the update.
        questions: Difference between the questions of the two versions.
        branch: Branch with the update.
        conflicts: Files with merge conflicts.
        changes: Summary of the changed files if there is no conflict.
    """

    old: Record
    new: Record
    questions: Questions
    branch: str
    conflicts: tuple[str, ...]
    changes: str


def update(project: Path, address: str, tag: str, given: Mapping[str, str]) -> Update:
    """Update a project to a version of the template, on a branch of its repository.

    Both the recorded version and the new one are rendered with the same answers; their difference
    is applied to the project as a commit. Working tree and branches are not touched before that
    commit.

    Args:
        project: Root of the project.
        address: Address or path of the template's repository.
        tag: Git tag of the new version.
        given: New or changed answers.

    Raises:
        UpdateError: The update is not possible; the message says what to do.
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
    """Check that version or answers change, and that the project's name does not.

    Raises:
        UpdateError: Nothing changes, or the name does.
    """
    if given.get(NAME, record.name) != record.name:
        what = f"{NAME} is {record.name} and cannot become {given[NAME]}."
        raise UpdateError(what, "Everything that is deployed carries it: make a new project.")
    if tag == record.tag and given.items() <= record.answers.items():
        what = f"{record.name} is at {tag} of the template already, with these answers."
        raise UpdateError(what, "Name another tag, or an answer that changes.")


def check_record(recorded: Record, made: Record) -> None:
    """Check that a project's record equals a render of its version with the same answers.

    Raises:
        UpdateError: An answer is missing or has no question.
    """
    if recorded.answers != made.answers:
        odd = sorted(dict(recorded.answers.items() ^ made.answers.items()))
        what = f"The project's record is not one of {made.tag}: it differs in {', '.join(odd)}."
        raise UpdateError(what, f"{made.tag} asks for {', '.join(made.answers)}.")


def check_taken(given: Mapping[str, str], made: Record) -> None:
    """Check that the new version has a question for each given answer.

    Raises:
        UpdateError: An answer has no question; the CLI silently ignores it.
    """
    if unknown := sorted(dict(given.items() - made.answers.items())):
        what = f"{made.tag} of the template does not ask for {', '.join(unknown)}."
        raise UpdateError(what, f"It asks for {', '.join(made.answers)}.")


def commit_change(repository: Repository, old: Render, new: Render) -> str:
    """Return a commit with the changes from the old render to the new one.

    Both sides also contain the repository's other files, so that git does not detect renames
    between them and files of the template.
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
