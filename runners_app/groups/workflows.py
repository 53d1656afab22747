"""Workflows as GitHub writes them in runner groups: `owner/repo/.github/workflows/file.yml@ref`."""

import re
from typing import NamedTuple


class Workflow(NamedTuple):
    """`path` is whole: `owner/repo/.github/workflows/file.yml`; an empty `ref` was not said."""

    path: str
    ref: str

    def __str__(self) -> str:
        return f"{self.path}@{self.ref}" if self.ref else self.path


WORKFLOW_PATH = re.compile(
    r"(?P<owner>[^/@\s]+)/(?P<repository>[^/@\s]+)/(?P<file>\.github/workflows/[^@\s]+)"
)
COMMIT = re.compile(r"[0-9a-f]{40}", re.IGNORECASE)


class NoWorkflow(ValueError):
    """What was typed is no workflow; the message says what one looks like."""


def read_workflow(text: str, ref: str, *, repository: str) -> Workflow | None:
    """A workflow as people write it: a file name, a path in the repository, or whole with `@ref`.

    `repository` is `owner/repo`, for what leaves it out. Raises NoWorkflow.
    """
    path, _, own_ref = text.strip().partition("@")
    if not path:
        return None
    if "/" not in path:
        path = f".github/workflows/{path}"
    if path.startswith(".github/"):
        path = f"{repository}/{path}"
    if not WORKFLOW_PATH.fullmatch(path):
        raise NoWorkflow(
            "A workflow looks like deploy.yml, .github/workflows/deploy.yml or owner/repo/.github/workflows/deploy.yml."
        )
    return Workflow(path, ref.strip() or own_ref)


def is_selected(workflow: Workflow, selected: tuple[str, ...]) -> bool | None:
    """Nothing when the file is selected at some ref and the one in question is not told, or not
    comparable.
    """
    refs = refs_of(workflow.path, selected)
    if not refs:
        return False
    if not workflow.ref:
        return None
    if any(_is_same_ref(workflow.ref, ref) for ref in refs):
        return True
    commits = [bool(COMMIT.fullmatch(ref)) for ref in (workflow.ref, *refs)]
    return None if any(is_commit != commits[0] for is_commit in commits) else False


def refs_of(path: str, selected: tuple[str, ...]) -> list[str]:
    found = (each.rpartition("@") for each in selected)
    return [ref for chosen, _, ref in found if _is_same_file(chosen, path)]


def _is_same_file(one: str, other: str) -> bool:
    """Owner and repository are told apart without regard to case, files are not."""
    first, second = WORKFLOW_PATH.fullmatch(one), WORKFLOW_PATH.fullmatch(other)
    if first is None or second is None:
        return one == other
    same_repository = all(
        first[part].lower() == second[part].lower() for part in ("owner", "repository")
    )
    return same_repository and first["file"] == second["file"]


def _is_same_ref(one: str, other: str) -> bool:
    """`main` is `refs/heads/main`, and `v1` is `refs/tags/v1`; a branch and a tag of one name
    differ.
    """
    if one.startswith("refs/") and other.startswith("refs/"):
        return one == other
    return _short(one) == _short(other)


def _short(ref: str) -> str:
    return ref.removeprefix("refs/heads/").removeprefix("refs/tags/")
