"""Parse and compare workflows of runner groups: `owner/repo/.github/workflows/file.yml@ref`."""

import re
from typing import NamedTuple


class Workflow(NamedTuple):
    """`path` is complete, `owner/repo/.github/workflows/file.yml`; `ref` is empty if not given."""

    path: str
    ref: str

    def __str__(self) -> str:
        return f"{self.path}@{self.ref}" if self.ref else self.path


WORKFLOW_PATH = re.compile(
    r"(?P<owner>[^/@\s]+)/(?P<repository>[^/@\s]+)/(?P<file>\.github/workflows/[^@\s]+)"
)
COMMIT = re.compile(r"[0-9a-f]{40}", re.IGNORECASE)


class NoWorkflow(ValueError):
    """The text is not a workflow; the message says what a workflow looks like."""


def read_workflow(text: str, ref: str, *, repository: str) -> Workflow | None:
    """Parse a workflow as users type it: a file name, a path in the repository, or complete.

    `repository` (`owner/repo`) is added if missing. `ref` beats an `@ref` in the text. Returns
    None for an empty text. Raises NoWorkflow.
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
            "A workflow looks like deploy.yml, .github/workflows/deploy.yml or "
            "owner/repo/.github/workflows/deploy.yml."
        )
    return Workflow(path, ref.strip() or own_ref)


def is_selected(workflow: Workflow, selected: tuple[str, ...]) -> bool | None:
    """Return whether the workflow is selected, or None if its ref is unknown or not comparable.

    A commit cannot be compared with a branch or tag.
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
    """Return the refs at which the file is selected."""
    found = (each.rpartition("@") for each in selected)
    return [ref for chosen, _, ref in found if _is_same_file(chosen, path)]


def _is_same_file(one: str, other: str) -> bool:
    """Compare paths: owner and repository ignore case, the file does not."""
    first, second = WORKFLOW_PATH.fullmatch(one), WORKFLOW_PATH.fullmatch(other)
    if first is None or second is None:
        return one == other
    same_repository = all(
        first[part].lower() == second[part].lower() for part in ("owner", "repository")
    )
    return same_repository and first["file"] == second["file"]


def _is_same_ref(one: str, other: str) -> bool:
    """`main` equals `refs/heads/main` and `refs/tags/main`, but those two differ."""
    if one.startswith("refs/") and other.startswith("refs/"):
        return one == other
    return _short(one) == _short(other)


def _short(ref: str) -> str:
    return ref.removeprefix("refs/heads/").removeprefix("refs/tags/")
