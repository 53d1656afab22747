"""Explain why a repository may use a runner: a pure function over facts that `gather` collects.

Each link of the chain is a `Step`. Any NO makes the answer no; otherwise any UNKNOWN makes it
unknown. Steps that do not apply are SKIPPED, so the chain always has the same steps.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from runners_app.groups.workflows import Workflow, is_selected, refs_of

NOTHING_MISSING: Mapping[str, str] = {}


class Verdict(StrEnum):
    """The outcome of a step, and of the whole chain."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"


class Remedy(StrEnum):
    """What would change the verdict: a button on the page, for users who may do it."""

    NONE = ""
    EDIT_GROUP = "edit_group"
    ADD_REPOSITORY = "add_repository"
    SHARE_GROUP = "share_group"
    SEE_RUNNER = "see_runner"
    NAME_WORKFLOW = "name_workflow"


@dataclass(frozen=True)
class RepositoryFacts:
    """`name` is without its owner; `private` is None if the credential does not list it."""

    owner: str
    name: str
    private: bool | None


@dataclass(frozen=True)
class GroupFacts:
    """The organization's row of a group. `listed` is None until its access list is read."""

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
    """A larger or self-hosted runner; `status` as GitHub spells it."""

    name: str
    status: str
    self_hosted: bool = False


@dataclass(frozen=True)
class SharingFacts:
    """Whether an enterprise shares its group with the organization; `shared` is None if unknown."""

    enterprise: str
    group: str
    shared: bool | None
    reason: str = ""


@dataclass(frozen=True)
class Step:
    """One link of the chain.

    `step` says what would change the verdict; `reads` names the readings it is based on.
    """

    question: str
    verdict: Verdict
    words: str
    step: str = ""
    remedy: Remedy = Remedy.NONE
    reads: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """The verdict with all of its steps."""

    verdict: Verdict
    steps: tuple[Step, ...] = field(default=())

    @property
    def deciding(self) -> Step:
        """The first step that determines the verdict; of a yes, the one that gives access."""
        decided = [step for step in self.steps if step.verdict == self.verdict]
        gives_access = [step for step in decided if step.question in (LISTED, VISIBILITY)]
        if self.verdict == Verdict.YES and gives_access:
            return gives_access[-1]
        return decided[0] if decided else self.steps[-1]

    @property
    def group_verdicts(self) -> set[Verdict]:
        """Verdicts of the steps that GitHub decides when asked about a repository and a group."""
        return {step.verdict for step in self.steps if step.question in OF_GROUP_AND_REPOSITORY}

    @property
    def reads(self) -> set[str]:
        """Names of the readings that the answer is based on."""
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
    """Explain whether jobs of a repository may run on a runner.

    `group` is None if it was not read, or (see `sharing`) if the organization does not have it.
    `missing` maps the name of a reading to the permission that its credential lacks.
    """
    not_shared = sharing is not None and not sharing.shared
    if group is None or not_shared:
        words = "The organization shows no such group."
        of_group = tuple(Step(question, Verdict.SKIPPED, words) for question in OF_GROUP)
    else:
        of_group = (
            _visibility(group, repository, missing),
            _listed(group, repository, missing),
            _public(group, repository, missing),
            _workflow(group, repository, workflow),
        )
    steps = (
        _ready(runner),
        _group(group, sharing, missing),
        *of_group,
        _sharing(sharing, missing),
    )
    return Answer(_overall(steps), steps)


def _overall(steps: tuple[Step, ...]) -> Verdict:
    verdicts = {step.verdict for step in steps}
    return next(
        verdict for verdict in (Verdict.NO, Verdict.UNKNOWN, Verdict.YES) if verdict in verdicts
    )


READY = "Is the runner ready?"
GROUP = "Which group is it in?"
VISIBILITY = "Which repositories is the group for?"
LISTED = "Is the repository on its access list?"
PUBLIC = "May a public repository use it?"
WORKFLOWS = "May this workflow use it?"
SHARED = "Is the enterprise's group shared with this organization?"
OF_GROUP_AND_REPOSITORY = (VISIBILITY, LISTED, PUBLIC)
OF_GROUP = (*OF_GROUP_AND_REPOSITORY, WORKFLOWS)


def _ready(runner: RunnerFacts) -> Step:
    reads = ("self_hosted_runners",) if runner.self_hosted else ("runners",)
    if runner.status in ("Ready", "online"):
        return Step(
            READY, Verdict.YES, f"The status of {runner.name} is {runner.status}.", reads=reads
        )
    see = Remedy.NONE if runner.self_hosted else Remedy.SEE_RUNNER
    no = {
        "Provisioning": ("It is being created.", "Wait: it is usually ready within minutes."),
        "Deleting": ("It is being deleted.", "Choose another runner."),
        "offline": (
            "The machine is offline.",
            "Start the machine, or check the runner software on it.",
        ),
    }
    if runner.status in no:
        words, step = no[runner.status]
        return Step(READY, Verdict.NO, words, step, see, reads)
    status = runner.status or "unknown"
    return Step(
        READY,
        Verdict.UNKNOWN,
        f"The status of {runner.name} is {status}, which GitHub does not define.",
        "Check the runner at GitHub.",
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
        missing.get("groups", ""),
        reads=("groups",),
    )


def _visibility(group: GroupFacts, repository: RepositoryFacts, missing: Mapping[str, str]) -> Step:
    if group.visibility == "all":
        words = f"The group {group.name} is for all repositories."
        return Step(VISIBILITY, Verdict.YES, words, reads=("groups",))
    if group.visibility == "selected":
        words = f"The group {group.name} is for selected repositories."
        return Step(VISIBILITY, Verdict.YES, words, reads=("groups",))
    reads = ("groups", "repositories")
    if group.visibility != "private":
        words = (
            f"GitHub calls the visibility of {group.name} “{group.visibility}”, which Trackside "
            "does not know."
        )
        return Step(VISIBILITY, Verdict.UNKNOWN, words, "Check the group at GitHub.", reads=reads)
    words = f"The group {group.name} is for private repositories only."
    if repository.private is None:
        return Step(
            VISIBILITY,
            Verdict.UNKNOWN,
            f"{words} {_not_listed_by_credential(repository)}",
            missing.get("repositories", ""),
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
        return Step(LISTED, Verdict.SKIPPED, f"The group {group.name} has no access list.")
    if group.listed is None:
        return Step(
            LISTED,
            Verdict.UNKNOWN,
            f"The access list of the group {group.name} could not be read yet.",
            missing.get("group_access", ""),
            reads=reads,
        )
    access_list = f"the access list of the group {group.name}"
    if group.listed:
        words = f"{repository.name} is on {access_list}."
        return Step(LISTED, Verdict.YES, words, reads=reads)
    words = f"{repository.name} is not on {access_list}."
    step = f"Add {repository.name} to the group's repositories."
    return Step(LISTED, Verdict.NO, words, step, Remedy.ADD_REPOSITORY, reads)


def _public(group: GroupFacts, repository: RepositoryFacts, missing: Mapping[str, str]) -> Step:
    reads = ("groups", "repositories")
    allowing = f"The group {group.name} allows public repositories"
    excluding = f"the group {group.name} excludes public repositories"
    allowed = group.allows_public and group.enterprise_allows_public is not False
    if repository.private:
        return Step(
            PUBLIC, Verdict.SKIPPED, f"{repository.name} is private.", reads=("repositories",)
        )
    if allowed:
        return Step(PUBLIC, Verdict.YES, f"{allowing}.", reads=("groups",))
    if repository.private is None:
        words = f"{excluding[0].upper()}{excluding[1:]}. {_not_listed_by_credential(repository)}"
        return Step(PUBLIC, Verdict.UNKNOWN, words, missing.get("repositories", ""), reads=reads)
    return Step(
        PUBLIC,
        Verdict.NO,
        f"{repository.name} is public, and {excluding}.",
        f"Allow public repositories in the group{_at_enterprise(group)}, "
        "if their pull requests may run code there.",
        Remedy.EDIT_GROUP,
        reads,
    )


def _not_listed_by_credential(repository: RepositoryFacts) -> str:
    return f"Trackside does not know whether {repository.name} is public."


def _at_enterprise(group: GroupFacts) -> str:
    return ", in the enterprise" if group.inherited else ""


def _workflow(group: GroupFacts, repository: RepositoryFacts, workflow: Workflow | None) -> Step:
    reads = ("groups",)
    if not group.restricted:
        words = f"The group {group.name} is for every workflow."
        return Step(WORKFLOWS, Verdict.YES, words, reads=reads)
    if not group.workflows:
        step = f"Select workflows in the group{_where_restricted(group)}."
        return Step(
            WORKFLOWS,
            Verdict.NO,
            f"The group {group.name} is for selected workflows only, and none is selected.",
            step,
            Remedy.EDIT_GROUP,
            reads,
        )
    if workflow is None:
        own = f"{repository.owner}/{repository.name}/".lower()
        mine = [each for each in group.workflows if each.lower().startswith(own)]
        words = (
            f"The group {group.name} is for {len(group.workflows)} selected workflows, "
            f"{len(mine)} of them in {repository.name}."
        )
        return Step(
            WORKFLOWS,
            Verdict.UNKNOWN,
            words,
            "Enter the workflow above.",
            Remedy.NAME_WORKFLOW,
            reads,
        )
    match is_selected(workflow, group.workflows):
        case True:
            return Step(WORKFLOWS, Verdict.YES, f"{workflow} is among the selected.", reads=reads)
        case False:
            step = f"Add {workflow} to the group's workflows{_where_restricted(group)}."
            words = (
                f"The group {group.name} is for selected workflows only, and {workflow} is not "
                "among them."
            )
            return Step(WORKFLOWS, Verdict.NO, words, step, Remedy.EDIT_GROUP, reads)
    refs = ", ".join(refs_of(workflow.path, group.workflows))
    words = f"{workflow.path} is selected, but only at {refs}."
    step = "Enter the branch, tag or commit that it runs from above."
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
        words = sharing.reason or "It could not be read yet."
        step = missing.get("sharing", "") or "Check the group in the enterprise."
        return Step(SHARED, Verdict.UNKNOWN, words, step, reads=reads)
    words = (
        sharing.reason
        or f"{sharing.enterprise} does not share {sharing.group} with this organization."
    )
    step = f"Add the organization to the group {sharing.group} of the enterprise."
    return Step(SHARED, Verdict.NO, words, step, Remedy.SHARE_GROUP, reads)


# GitHub's API does not tell these. The page lists them, so that a yes does not promise too much.
NOT_CHECKED = (
    (
        "Actions are enabled",
        "for the organization and for the repository, with a policy that allows the actions used.",
    ),
    ("Payment", "a valid payment method, and a budget above zero: larger runners are never free."),
    (
        "Limits",
        "the plan's concurrent jobs, and the runner's own maximum, can keep jobs waiting.",
    ),
    (
        "runs-on",
        "must name this runner's label, and its group if it names a group.",
    ),
    ("Pull requests from forks", "may need approval first."),
    ("Environments", "may require reviewers or allow only some branches."),
)
