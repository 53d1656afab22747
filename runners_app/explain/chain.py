"""Why may a repository use a runner, or not: one pure function over facts, which
`services/explain.py` gathers.

Each link of the chain is a `Step`. One that says no makes the answer no, otherwise one that is
unknown makes it unknown. What does not apply is said, too, so that the chain always has the same
links.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from runners_app.groups.workflows import Workflow, is_selected, refs_of

NOTHING_MISSING: Mapping[str, str] = {}


class Verdict(StrEnum):
    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"


class Remedy(StrEnum):
    """What would change a no: the page makes a button of it for those who may."""

    NONE = ""
    EDIT_GROUP = "edit_group"
    ADD_REPOSITORY = "add_repository"
    SHARE_GROUP = "share_group"
    SEE_RUNNER = "see_runner"
    NAME_WORKFLOW = "name_workflow"


@dataclass(frozen=True)
class RepositoryFacts:
    """`name` is without its owner; `private` is nothing where the credential cannot list the
    repository.
    """

    owner: str
    name: str
    private: bool | None


@dataclass(frozen=True)
class GroupFacts:
    """A group as the organization has it. `listed` is nothing while its access list was never read."""

    name: str
    visibility: str
    inherited: bool = False
    allows_public: bool = False
    enterprise_allows_public: bool | None = None
    restricted: bool = False
    workflows: tuple[str, ...] = ()
    restricted_by_enterprise: bool = False
    listed: bool | None = None


@dataclass(frozen=True)
class RunnerFacts:
    name: str
    status: str
    self_hosted: bool = False


@dataclass(frozen=True)
class SharingFacts:
    """Whether an enterprise shares its group with the organization; nothing while that cannot be
    told.
    """

    enterprise: str
    group: str
    shared: bool | None
    reason: str = ""


@dataclass(frozen=True)
class Step:
    """`step` is what would change it. `reads` names the readings the words rest on, whose age is
    theirs.
    """

    question: str
    verdict: Verdict
    words: str
    step: str = ""
    remedy: Remedy = Remedy.NONE
    reads: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    verdict: Verdict
    steps: tuple[Step, ...] = field(default=())

    @property
    def deciding(self) -> Step:
        """The first link that makes the answer what it is."""
        return next((step for step in self.steps if step.verdict == self.verdict), self.steps[-1])

    @property
    def reads(self) -> set[str]:
        return {reading for step in self.steps for reading in step.reads}


def explain(
    runner: RunnerFacts,
    group: GroupFacts | None,
    repository: RepositoryFacts,
    workflow: Workflow | None = None,
    sharing: SharingFacts | None = None,
    *,
    missing: Mapping[str, str] = NOTHING_MISSING,
) -> Answer:
    """Whether jobs of a repository may run on a runner.

    `missing` says, by the name of a reading, which permission is lacking where it cannot be had.
    Without a group nothing can be said about it: it was not read, or (see `sharing`) the
    organization has none.
    """
    not_shared = sharing is not None and not sharing.shared
    steps = (
        _ready(runner),
        _group(group, sharing, missing),
        *(
            _skipped_for_no_group()
            if group is None or not_shared
            else _of_group(group, repository, workflow, missing)
        ),
        _sharing(sharing, missing),
    )
    return Answer(_overall(steps), steps)


def _lacking(missing: Mapping[str, str], reading: str) -> str:
    return missing.get(reading, "")


def _overall(steps: tuple[Step, ...]) -> Verdict:
    verdicts = {step.verdict for step in steps}
    return next(
        verdict for verdict in (Verdict.NO, Verdict.UNKNOWN, Verdict.YES) if verdict in verdicts
    )


READY, GROUP, VISIBILITY = "Is the runner ready?", "Which group is it in?", "Whom is the group for?"
LISTED, PUBLIC = "Is the repository on its list?", "May a public repository use it?"
WORKFLOWS, SHARED = (
    "May this workflow use it?",
    "Is the enterprise's group shared with this organization?",
)
OF_GROUP = (VISIBILITY, LISTED, PUBLIC, WORKFLOWS)


def _ready(runner: RunnerFacts) -> Step:
    reads = ("self_hosted_runners",) if runner.self_hosted else ("runners",)
    if runner.status in ("Ready", "online"):
        return Step(READY, Verdict.YES, f"Its status is {runner.status}.", reads=reads)
    see = Remedy.NONE if runner.self_hosted else Remedy.SEE_RUNNER
    no = {
        "Provisioning": ("It is being made.", "Wait: it is usually Ready within minutes."),
        "Deleting": ("It is being deleted.", "Choose another runner."),
        "offline": (
            "The machine is offline.",
            "Start the machine, or look at the runner software on it.",
        ),
    }
    if runner.status in no:
        words, step = no[runner.status]
        return Step(READY, Verdict.NO, words, step, see, reads)
    return Step(
        READY,
        Verdict.UNKNOWN,
        f"Its status is {runner.status or 'not told'}, which GitHub does not define.",
        "Look at the runner at GitHub.",
        see,
        reads,
    )


def _group(
    group: GroupFacts | None, sharing: SharingFacts | None, missing: Mapping[str, str]
) -> Step:
    if group is not None:
        origin = " It is inherited from the enterprise." if group.inherited else ""
        return Step(GROUP, Verdict.YES, f"{group.name}.{origin}", reads=("groups",))
    if sharing is not None:
        return Step(
            GROUP, Verdict.SKIPPED, f"{sharing.group} of the enterprise {sharing.enterprise}."
        )
    return Step(
        GROUP,
        Verdict.UNKNOWN,
        "Its group is not among those that could be read.",
        _lacking(missing, "groups"),
        reads=("groups",),
    )


def _skipped_for_no_group() -> list[Step]:
    return [
        Step(question, Verdict.SKIPPED, "The organization shows no such group.")
        for question in OF_GROUP
    ]


def _of_group(
    group: GroupFacts,
    repository: RepositoryFacts,
    workflow: Workflow | None,
    missing: Mapping[str, str],
) -> tuple[Step, ...]:
    return (
        _visibility(group, repository, missing),
        _listed(group, repository, missing),
        _public(group, repository, missing),
        _workflow(group, repository, workflow),
    )


def _visibility(group: GroupFacts, repository: RepositoryFacts, missing: Mapping[str, str]) -> Step:
    if group.visibility == "all":
        return Step(VISIBILITY, Verdict.YES, "All repositories.", reads=("groups",))
    if group.visibility == "selected":
        return Step(VISIBILITY, Verdict.YES, "Selected repositories.", reads=("groups",))
    reads = ("groups", "repositories")
    if group.visibility != "private":
        words = f"GitHub calls its visibility “{group.visibility}”, which Trackside does not know."
        return Step(VISIBILITY, Verdict.UNKNOWN, words, "Look at the group at GitHub.", reads=reads)
    words = "Private repositories only."
    if repository.private is None:
        return Step(
            VISIBILITY,
            Verdict.UNKNOWN,
            f"{words} {_not_listed_by_credential(repository)}",
            _lacking(missing, "repositories"),
            reads=reads,
        )
    if repository.private:
        return Step(VISIBILITY, Verdict.YES, f"{words} {repository.name} is private.", reads=reads)
    return Step(
        VISIBILITY,
        Verdict.NO,
        f"{words} {repository.name} is public.",
        f"Open the group to all or to selected repositories{_at_enterprise(group)}.",
        Remedy.EDIT_GROUP,
        reads,
    )


def _listed(group: GroupFacts, repository: RepositoryFacts, missing: Mapping[str, str]) -> Step:
    reads = ("group_access",)
    if group.visibility != "selected":
        return Step(LISTED, Verdict.SKIPPED, "The group has no list.")
    if group.listed is None:
        return Step(
            LISTED,
            Verdict.UNKNOWN,
            "The list could not be read yet.",
            _lacking(missing, "group_access"),
            reads=reads,
        )
    if group.listed:
        return Step(LISTED, Verdict.YES, f"{repository.name} is on it.", reads=reads)
    step = f"Add {repository.name} to the group's repositories."
    return Step(
        LISTED, Verdict.NO, f"{repository.name} is not on it.", step, Remedy.ADD_REPOSITORY, reads
    )


def _public(group: GroupFacts, repository: RepositoryFacts, missing: Mapping[str, str]) -> Step:
    reads = ("groups", "repositories")
    allowed = group.allows_public and group.enterprise_allows_public is not False
    if repository.private:
        return Step(
            PUBLIC, Verdict.SKIPPED, f"{repository.name} is private.", reads=("repositories",)
        )
    if allowed:
        return Step(PUBLIC, Verdict.YES, "The group allows public repositories.", reads=("groups",))
    if repository.private is None:
        words = f"The group keeps public repositories out. {_not_listed_by_credential(repository)}"
        return Step(PUBLIC, Verdict.UNKNOWN, words, _lacking(missing, "repositories"), reads=reads)
    return Step(
        PUBLIC,
        Verdict.NO,
        f"{repository.name} is public, and the group keeps public repositories out.",
        f"Allow public repositories in the group{_at_enterprise(group)}, if their pull requests may run code there.",
        Remedy.EDIT_GROUP,
        reads,
    )


def _not_listed_by_credential(repository: RepositoryFacts) -> str:
    return f"Whether {repository.name} is public is not known."


def _at_enterprise(group: GroupFacts) -> str:
    return ", in the enterprise" if group.inherited else ""


def _workflow(group: GroupFacts, repository: RepositoryFacts, workflow: Workflow | None) -> Step:
    reads = ("groups",)
    if not group.restricted:
        return Step(WORKFLOWS, Verdict.YES, "Every workflow may.", reads=reads)
    if not group.workflows:
        step = f"Select workflows in the group{_where_restricted(group)}."
        return Step(
            WORKFLOWS,
            Verdict.NO,
            "Only selected workflows may, and none is selected.",
            step,
            Remedy.EDIT_GROUP,
            reads,
        )
    if workflow is None:
        own = f"{repository.owner}/{repository.name}/".lower()
        mine = [each for each in group.workflows if each.lower().startswith(own)]
        words = f"Only selected workflows may: {len(group.workflows)} of them, {len(mine)} in {repository.name}."
        return Step(
            WORKFLOWS,
            Verdict.UNKNOWN,
            words,
            "Say above which workflow it is.",
            Remedy.NAME_WORKFLOW,
            reads,
        )
    match is_selected(workflow, group.workflows):
        case True:
            return Step(WORKFLOWS, Verdict.YES, f"{workflow} is among the selected.", reads=reads)
        case False:
            step = f"Add {workflow} to the group's workflows{_where_restricted(group)}."
            words = f"Only selected workflows may, and {workflow} is not among them."
            return Step(WORKFLOWS, Verdict.NO, words, step, Remedy.EDIT_GROUP, reads)
    words = f"{workflow.path} is selected, but only at {', '.join(refs_of(workflow.path, group.workflows))}."
    step = "Say above which branch, tag or commit it runs from."
    return Step(WORKFLOWS, Verdict.UNKNOWN, words, step, Remedy.NAME_WORKFLOW, reads)


def _where_restricted(group: GroupFacts) -> str:
    return ", in the enterprise" if group.restricted_by_enterprise or group.inherited else ""


def _sharing(sharing: SharingFacts | None, missing: Mapping[str, str]) -> Step:
    if sharing is None:
        return Step(SHARED, Verdict.SKIPPED, "The runner is the organization's own.")
    if sharing.shared:
        return Step(
            SHARED, Verdict.YES, f"{sharing.enterprise} shares {sharing.group}.", reads=("groups",)
        )
    reads = ("groups", "group_access")
    if sharing.shared is None:
        words = sharing.reason or "That could not be read yet."
        step = _lacking(missing, "sharing") or "Look at the group in the enterprise."
        return Step(SHARED, Verdict.UNKNOWN, words, step, reads=reads)
    words = (
        sharing.reason
        or f"{sharing.enterprise} does not share {sharing.group} with this organization."
    )
    step = f"Add the organization to the group {sharing.group} of the enterprise."
    return Step(SHARED, Verdict.NO, words, step, Remedy.SHARE_GROUP, reads)


# What GitHub's API does not tell: said on the page, so that a yes is not taken for more than it is.
NOT_CHECKED = (
    (
        "Actions are on",
        "for the organization and for the repository, with a policy that allows the actions used.",
    ),
    ("Payment", "a valid payment method, and a budget above zero: larger runners are never free."),
    (
        "Limits",
        "the plan's number of concurrent jobs, and the runner's own maximum, may keep jobs waiting.",
    ),
    (
        "The workflow's words",
        "runs-on must name this runner's label, and its group if it names one.",
    ),
    ("Pull requests from forks", "may need somebody's approval first."),
    ("Environments", "may ask for reviewers or allow only some branches."),
)
