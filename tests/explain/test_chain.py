"""Why a repository may use a runner, or not: every link of the chain, from facts alone."""

from dataclasses import replace

import pytest

from runners_app.explain.chain import (
    GROUP,
    LISTED,
    PUBLIC,
    READY,
    SHARED,
    VISIBILITY,
    WORKFLOWS,
    Answer,
    GroupFacts,
    Remedy,
    RepositoryFacts,
    RunnerFacts,
    SharingFacts,
    Verdict,
    explain,
)
from runners_app.groups.workflows import NoWorkflow, Workflow, is_selected, read_workflow

YES, NO, UNKNOWN, SKIPPED = Verdict.YES, Verdict.NO, Verdict.UNKNOWN, Verdict.SKIPPED
LARGE = RunnerFacts("linux-8core", "Ready")
PRIVATE = RepositoryFacts("acme", "api", private=True)
OPEN = RepositoryFacts("acme", "web", private=False)
UNSEEN = RepositoryFacts("acme", "hidden", private=None)
ALL = GroupFacts("Default", "all")
ONLY_PRIVATE = GroupFacts("sandbox", "private")
LIST = GroupFacts("gpu", "selected", listed=True)
DEPLOY = "acme/api/.github/workflows/deploy.yml"
RESTRICTED = GroupFacts("deploys", "all", restricted=True, workflows=(f"{DEPLOY}@refs/heads/main",))
SHARED_ONE = GroupFacts("shared", "all", inherited=True)
SHARES = SharingFacts("umbrella", "shared", shared=True)


MISSING = {
    reading: f"Needs the permission for {reading}."
    for reading in ("groups", "group_access", "repositories", "sharing")
}


def step_of(answer: Answer, question: str) -> tuple[Verdict, Remedy]:
    step = next(step for step in answer.steps if step.question == question)
    return step.verdict, step.remedy


# runner, group, repository, expected verdict, the link that decides, what would change it
TABLE = [
    ("a private repository and a group for all", LARGE, ALL, PRIVATE, YES, VISIBILITY, Remedy.NONE),
    (
        "a runner being made",
        RunnerFacts("x", "Provisioning"),
        ALL,
        PRIVATE,
        NO,
        READY,
        Remedy.SEE_RUNNER,
    ),
    (
        "a runner being deleted",
        RunnerFacts("x", "Deleting"),
        ALL,
        PRIVATE,
        NO,
        READY,
        Remedy.SEE_RUNNER,
    ),
    (
        "a runner that is Stuck",
        RunnerFacts("x", "Stuck"),
        ALL,
        PRIVATE,
        UNKNOWN,
        READY,
        Remedy.SEE_RUNNER,
    ),
    (
        "a status nobody knows",
        RunnerFacts("x", "Dreaming"),
        ALL,
        PRIVATE,
        UNKNOWN,
        READY,
        Remedy.SEE_RUNNER,
    ),
    (
        "a machine of one's own",
        RunnerFacts("x", "online", self_hosted=True),
        ALL,
        PRIVATE,
        YES,
        VISIBILITY,
        Remedy.NONE,
    ),
    (
        "a machine that is off",
        RunnerFacts("x", "offline", self_hosted=True),
        ALL,
        PRIVATE,
        NO,
        READY,
        Remedy.NONE,
    ),
    ("a group that was not read", LARGE, None, PRIVATE, UNKNOWN, GROUP, Remedy.NONE),
    ("private in a private group", LARGE, ONLY_PRIVATE, PRIVATE, YES, VISIBILITY, Remedy.NONE),
    ("public in a private group", LARGE, ONLY_PRIVATE, OPEN, NO, VISIBILITY, Remedy.EDIT_GROUP),
    ("unseen in a private group", LARGE, ONLY_PRIVATE, UNSEEN, UNKNOWN, VISIBILITY, Remedy.NONE),
    (
        "a visibility nobody knows",
        LARGE,
        GroupFacts("x", "some"),
        PRIVATE,
        UNKNOWN,
        VISIBILITY,
        Remedy.NONE,
    ),
    ("on the list", LARGE, LIST, PRIVATE, YES, LISTED, Remedy.NONE),
    (
        "not on the list",
        LARGE,
        replace(LIST, listed=False),
        PRIVATE,
        NO,
        LISTED,
        Remedy.ADD_REPOSITORY,
    ),
    (
        "a list that was not read",
        LARGE,
        replace(LIST, listed=None),
        PRIVATE,
        UNKNOWN,
        LISTED,
        Remedy.NONE,
    ),
    ("public where none may be", LARGE, ALL, OPEN, NO, PUBLIC, Remedy.EDIT_GROUP),
    (
        "public where they may be",
        LARGE,
        replace(ALL, allows_public=True),
        OPEN,
        YES,
        VISIBILITY,
        Remedy.NONE,
    ),
    (
        "public where only the enterprise says no",
        LARGE,
        replace(SHARED_ONE, allows_public=True, enterprise_allows_public=False),
        OPEN,
        NO,
        PUBLIC,
        Remedy.EDIT_GROUP,
    ),
    ("unseen where no public one may be", LARGE, ALL, UNSEEN, UNKNOWN, PUBLIC, Remedy.NONE),
    (
        "unseen where all may be",
        LARGE,
        replace(ALL, allows_public=True),
        UNSEEN,
        YES,
        VISIBILITY,
        Remedy.NONE,
    ),
    (
        "a restricted group, no workflow said",
        LARGE,
        RESTRICTED,
        PRIVATE,
        UNKNOWN,
        WORKFLOWS,
        Remedy.NAME_WORKFLOW,
    ),
    (
        "restricted to nothing",
        LARGE,
        replace(RESTRICTED, workflows=()),
        PRIVATE,
        NO,
        WORKFLOWS,
        Remedy.EDIT_GROUP,
    ),
    (
        "no beats unknown",
        LARGE,
        replace(RESTRICTED, visibility="private"),
        OPEN,
        NO,
        VISIBILITY,
        Remedy.EDIT_GROUP,
    ),
]


@pytest.mark.parametrize(
    ("runner", "group", "repository", "verdict", "link", "remedy"),
    [row[1:] for row in TABLE],
    ids=[r[0] for r in TABLE],
)
def test_the_chain_of_steps_decides(
    runner: RunnerFacts,
    group: GroupFacts | None,
    repository: RepositoryFacts,
    verdict: Verdict,
    link: str,
    remedy: Remedy,
) -> None:
    answer = explain(runner, group, repository, missing=MISSING)
    assert (answer.verdict, answer.deciding.question, answer.deciding.remedy) == (
        verdict,
        link,
        remedy,
    )
    assert len(answer.steps) == 7
    if verdict in (NO, UNKNOWN):
        assert answer.deciding.step
    if verdict == UNKNOWN and remedy == Remedy.NONE and "GitHub calls" not in answer.deciding.words:
        assert answer.deciding.step.startswith("Needs the permission for ")


@pytest.mark.parametrize(
    ("sharing", "group", "verdict", "remedy"),
    [
        (SHARES, SHARED_ONE, YES, Remedy.NONE),
        (replace(SHARES, shared=False), None, NO, Remedy.SHARE_GROUP),
        (
            replace(SHARES, shared=None, reason="Its list was never read."),
            None,
            UNKNOWN,
            Remedy.NONE,
        ),
    ],
    ids=["shared", "not shared", "not known"],
)
def test_a_group_of_an_enterprise_must_be_shared(
    sharing: SharingFacts, group: GroupFacts | None, verdict: Verdict, remedy: Remedy
) -> None:
    answer = explain(LARGE, group, PRIVATE, sharing=sharing)
    assert answer.verdict == verdict
    assert step_of(answer, SHARED) == (verdict, remedy)
    if group is None:
        assert {
            step_of(answer, question)[0]
            for question in (GROUP, VISIBILITY, LISTED, PUBLIC, WORKFLOWS)
        } == {SKIPPED}


def test_what_an_enterprise_restricts_is_changed_there() -> None:
    group = replace(RESTRICTED, inherited=True, restricted_by_enterprise=True)
    step = explain(
        LARGE, group, PRIVATE, Workflow("acme/api/.github/workflows/test.yml", "main")
    ).deciding
    assert "in the enterprise" in step.step


def test_each_step_names_the_readings_it_is_based_on() -> None:
    assert explain(LARGE, ALL, PRIVATE).reads == {"runners", "groups", "repositories"}
    assert explain(LARGE, LIST, PRIVATE).reads == {
        "runners",
        "groups",
        "repositories",
        "group_access",
    }
    assert (
        "self_hosted_runners"
        in explain(RunnerFacts("x", "online", self_hosted=True), ALL, PRIVATE).reads
    )


SHA, OTHER_SHA = "a" * 40, "b" * 40


@pytest.mark.parametrize(
    ("path", "ref", "selected", "expected"),
    [
        (DEPLOY, "main", f"{DEPLOY}@refs/heads/main", True),
        (DEPLOY, "refs/heads/main", f"{DEPLOY}@main", True),
        (DEPLOY, "refs/tags/main", f"{DEPLOY}@refs/heads/main", False),
        (DEPLOY, "develop", f"{DEPLOY}@main", False),
        (DEPLOY, "", f"{DEPLOY}@main", None),
        (DEPLOY, "main", f"{DEPLOY}@{SHA}", None),
        (DEPLOY, SHA, f"{DEPLOY}@main", None),
        (DEPLOY, SHA, f"{DEPLOY}@{SHA}", True),
        (DEPLOY, OTHER_SHA, f"{DEPLOY}@{SHA}", False),
        (DEPLOY.replace("acme/api", "ACME/Api"), "main", f"{DEPLOY}@main", True),
        (DEPLOY.replace("deploy.yml", "Deploy.yml"), "main", f"{DEPLOY}@main", False),
        ("acme/web/.github/workflows/deploy.yml", "main", f"{DEPLOY}@main", False),
        (DEPLOY, "main", "not a workflow", False),
    ],
)
def test_a_workflow_is_selected_by_file_and_ref(
    path: str, ref: str, selected: str, expected: bool | None
) -> None:
    assert is_selected(Workflow(path, ref), (selected,)) is expected


@pytest.mark.parametrize(
    ("text", "ref", "expected"),
    [
        ("", "main", None),
        ("deploy.yml", "", Workflow(DEPLOY, "")),
        (".github/workflows/deploy.yml", "v1", Workflow(DEPLOY, "v1")),
        (f"{DEPLOY}@refs/heads/main", "", Workflow(DEPLOY, "refs/heads/main")),
        (
            "shared/flows/.github/workflows/build.yml",
            "main",
            Workflow("shared/flows/.github/workflows/build.yml", "main"),
        ),
    ],
)
def test_a_workflow_is_parsed_as_users_type_it(
    text: str, ref: str, expected: Workflow | None
) -> None:
    assert read_workflow(text, ref, repository="acme/api") == expected


@pytest.mark.parametrize("text", ["a/b/c", "../x.yml", "acme/api/workflows/x.yml", "two words.yml"])
def test_text_that_is_not_a_workflow_is_refused(text: str) -> None:
    with pytest.raises(NoWorkflow, match="looks like"):
        read_workflow(text, "", repository="acme/api")
