"""From deliveries to jobs: order, duplicates, losses, attribution, who may see them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from runners_app.jobs import store
from runners_app.jobs.ingest import normalise_waiting
from runners_app.jobs.normalise import from_rest
from runners_app.jobs.store import Told
from runners_app.models import (
    Account,
    App,
    Credential,
    Delivery,
    Hook,
    Job,
    JobRepository,
    JobWorkflow,
    Membership,
    Runner,
    RunnerGroup,
    StaleHour,
)
from tests.jobs.conftest import make_account
from tests.jobs.payloads import (
    Payload,
    at,
    completed,
    delivery,
    in_progress,
    queued,
    stamp,
    waiting,
)
from tests.jobs.posting import Sender

ROWS = (Job, JobRepository, JobWorkflow, StaleHour)
OWN_NUMBERS = ("id", "repository_id", "workflow_id", "verified_at")


def snapshot() -> list[dict[str, Any]]:
    """All rows that deliveries leave, with names in place of their own numbers."""
    jobs = Job.objects.order_by("github_id").values(
        *(f.attname for f in Job._meta.concrete_fields if f.attname not in OWN_NUMBERS),
        "repository__name",
        "workflow__name",
    )
    names = JobRepository.objects.order_by("github_id").values("github_id", "name")
    return [*jobs, *names]


def forget() -> None:
    for model in (*ROWS, Delivery):
        model._default_manager.all().delete()


def life(number: int, chance: random.Random) -> list[tuple[Payload, datetime]]:
    """The deliveries of one job of some kind, with the time each comes."""
    created = number * 17
    started = created + chance.choice([0, 3, 50, 4000])
    ended = started + chance.randint(1, 900)
    pool = chance.choice(["big-linux", "big-linux-gpu"])
    fields: Payload = {
        "id": 5_000_000 + number,
        "run_id": number,
        "name": f"job {number % 7}",
        "workflow_name": chance.choice(["CI", "Release", None]),
        "labels": chance.choice([[pool], [pool.upper()], []]),
        "created_at": stamp(created),
    }
    machine: Payload = {
        "runner_name": chance.choice([f"{pool}_0123456789ab", f"{pool}-1000004236"])
    }
    stays: Payload = {"steps": [], "started_at": stamp(created)} if chance.random() < 0.1 else {}
    first: Payload = {**fields, "started_at": stamp(created)}
    kind = chance.random()
    if kind < 0.1:
        events = [
            completed(created - 1, created - 1, **{**fields, "conclusion": "skipped", "steps": []})
        ]
        return [(event, at(created)) for event in events]
    lived = [(queued(**first), at(created + 1))]
    if kind < 0.2:
        lived = [
            (waiting(**first), at(created + 1)),
            (queued(**first), at(max(created, started - 2))),
        ]
    lived.append((in_progress(started, **{**fields, **machine, **stays}), at(started + 1)))
    if kind < 0.95:
        lived.append((completed(started, ended, **{**fields, **machine, **stays}), at(ended + 1)))
    return lived


def store_deliveries(hook: Hook, lives: Iterable[tuple[str, Payload, datetime, bool]]) -> None:
    rows = [
        Delivery(
            hook=hook,
            guid=guid,
            event="workflow_job",
            outcome="stored",
            received_at=received,
            live=live,
            body=json.dumps(payload).encode(),
        )
        for guid, payload, received, live in lives
    ]
    Delivery.objects.bulk_create(rows, ignore_conflicts=True)


@pytest.mark.parametrize("orders", [6])
def test_any_order_with_duplicates_and_repaired_losses_leaves_the_same_rows(
    sender: Sender, orders: int
) -> None:
    chance = random.Random(15)  # noqa: S311
    lives = [life(number, chance) for number in range(120)]
    deliveries = [
        (f"{number}-{index}", payload, received)
        for number, lived in enumerate(lives)
        for index, (payload, received) in enumerate(lived)
    ]
    # Of what is lost every repair knows the same: it never was received as it happened.
    lost = {guid for guid, _, _ in deliveries if chance.random() < 0.05}
    expected = None
    for _ in range(orders):
        forget()
        kept = [(g, p, r, g not in lost) for g, p, r in deliveries]
        chance.shuffle(kept)
        twice = chance.sample(kept, 40)
        first = [each for each in kept if each[3]] + [each for each in twice if each[3]]
        for part in range(0, len(first), 60):
            store_deliveries(sender.hook, first[part : part + 60])
            normalise_waiting()
        store_deliveries(sender.hook, [each for each in kept if not each[3]])
        normalise_waiting()
        rows = snapshot()
        expected = expected or rows
        assert rows == expected
    assert Job.objects.count() == 120
    assert not Delivery.objects.waiting().exists()


def test_a_job_carries_pool_group_repository_and_workflow(sender: Sender, org: Account) -> None:
    sender.deliver(queued(), in_progress(40), completed(40, 100))
    normalise_waiting()
    job = Job.objects.get()
    assert (job.pool and job.pool.name, job.group_id, job.kind) == ("big-linux", 7, "larger")
    assert (job.repository.name, job.workflow and job.workflow.name) == ("acme/web", "CI")
    assert (job.queue_seconds, job.run_seconds) == (40, 60)
    assert (job.started_at, job.ended_at) == (at(40), at(100))


def test_the_pool_is_kept_when_it_is_renamed(sender: Sender) -> None:
    sender.deliver(in_progress(40))
    normalise_waiting()
    Runner.objects.filter(name="big-linux").update(name="renamed")
    sender.deliver(completed(40, 100, labels=["big-linux-gpu"]))
    normalise_waiting()
    job = Job.objects.get()
    assert job.pool is not None
    assert job.pool.name == "renamed"


def test_a_waiting_job_belongs_to_the_pool_it_asks_for_until_another_takes_it(
    sender: Sender,
) -> None:
    sender.deliver(queued())
    normalise_waiting()
    assert Job.objects.get().pool == Runner.objects.get(name="big-linux")
    sender.deliver(in_progress(40, labels=["big-linux", "big-linux-gpu"], runner_group_id=9))
    normalise_waiting()
    job = Job.objects.get()
    assert (job.pool, job.group_id, job.kind) == (None, 9, "unknown")


def test_a_renamed_repository_goes_by_its_newest_name(sender: Sender) -> None:
    old, new = queued(id=1), queued(id=2)
    new["repository"]["full_name"] = "acme/shop"
    now = timezone.now()
    store_deliveries(sender.hook, [("b", new, now, True)])
    normalise_waiting()
    store_deliveries(sender.hook, [("a", old, at(0), True)])
    normalise_waiting()
    assert [row.name for row in JobRepository.objects.all()] == ["acme/shop"]
    assert Job.objects.filter(repository__name="acme/shop").count() == 2


def test_nothing_changes_for_a_job_told_of_again(sender: Sender, org: Account) -> None:
    sender.deliver(completed(40, 100))
    normalise_waiting()
    org.jobs_version.refresh_from_db()
    version = org.jobs_version.version
    StaleHour.objects.all().delete()
    sender.deliver(completed(40, 100))
    normalise_waiting()
    org.jobs_version.refresh_from_db()
    assert org.jobs_version.version == version
    assert not StaleHour.objects.exists()


def test_jobs_never_raise_the_version_of_the_account(sender: Sender, org: Account) -> None:
    before = org.version
    sender.deliver(completed(40, 100))
    normalise_waiting()
    org.refresh_from_db()
    assert org.version == before


def test_every_hour_a_job_lies_in_is_to_be_summed_anew(sender: Sender) -> None:
    sender.deliver(completed(5400, 12_000))
    normalise_waiting()
    hours = [row.hour for row in StaleHour.objects.order_by("hour")]
    assert hours == [at(0), at(3600), at(7200), at(10_800)]


def test_rest_and_webhooks_tell_of_one_job(sender: Sender, org: Account) -> None:
    sender.deliver(queued())
    normalise_waiting()
    answer = completed(40, 100)["workflow_job"]
    told = Told(from_rest(answer, at(500)), 31, "acme/web", at(500), by_rest=True)
    store.apply(org, [told])
    job = Job.objects.get()
    assert (job.queue_seconds, job.run_seconds, job.verified_at) == (40, 60, at(500))


# --- Whose job it is


def test_a_job_of_an_organization_that_is_not_connected_is_its_enterprises(org: Account) -> None:
    enterprise = make_account("umbrella", {3: ("shared", ["deploy"])}, kind="enterprise")
    sender = Sender(enterprise)
    elsewhere = queued(id=1)
    elsewhere["organization"]["login"] = "initech"
    foreign = {**queued(id=3), "enterprise": {"slug": "hydra"}}
    sender.deliver(elsewhere, queued(id=2), foreign)
    normalise_waiting()
    assert Job.objects.get(github_id=1).account == enterprise
    assert Job.objects.get(github_id=2).account == org
    assert Job.objects.count() == 2


def test_a_job_two_hooks_tell_of_is_one(org: Account, sender: Sender) -> None:
    enterprise = make_account("umbrella", {3: ("shared", ["deploy"])}, kind="enterprise")
    for each in (sender, Sender(enterprise)):
        each.deliver(queued(), completed(40, 100))
    normalise_waiting()
    assert Job.objects.count() == 1


def test_an_apps_delivery_counts_if_its_installation_is_connected_and_the_organizations(
    org: Account,
) -> None:
    app = App.objects.create(api_url=org.api_url, issuer="1", sealed_key="x")
    credential = Credential.objects.create(
        api_url=org.api_url, kind="installation", fingerprint="i", app=app, installation_id=77
    )
    other = make_account("globex", {})
    Account.objects.filter(pk=org.pk).update(credential=credential)
    sender = Sender(app)
    for id_, organization, installation in (
        (1, "acme", 77),
        (2, "acme", 78),
        (3, other.slug, 77),
        (4, "nobody", 77),
        (5, "acme", None),
    ):
        payload = {**queued(id=id_), "installation": {"id": installation}}
        payload["organization"]["login"] = organization
        sender.deliver(payload)
    normalise_waiting()
    assert [job.github_id for job in Job.objects.all()] == [1]
    assert Delivery.objects.filter(outcome="ignored").count() == 4


def test_an_enterprises_pool_runs_an_organizations_job(org: Account, sender: Sender) -> None:
    enterprise = make_account("umbrella", {3: ("shared", ["deploy", "build"])}, kind="enterprise")
    now = timezone.now()
    RunnerGroup.objects.create(
        account=org, github_id=70, name="shared", inherited=True, observed_at=now, first_seen_at=now
    )
    sender.deliver(
        completed(40, 100, labels=["deploy"], runner_name="deploy-1000004236", runner_group_id=70)
    )
    normalise_waiting()
    job = Job.objects.get()
    assert job.pool == Runner.objects.get(name="deploy")
    assert (job.account, job.group_id) == (org, 70)
    assert (job.pool_account, job.pool_group_id) == (enterprise, 3)


# --- Who sees it


def viewer(account: Account, *groups: int, limited: bool = True) -> User:
    user = User.objects.create_user(f"{account} {groups} {limited}")
    membership = Membership.objects.create(user=user, account=account, limited=limited)
    membership.groups.add(*RunnerGroup.objects.filter(account=account, github_id__in=groups))
    return user


def test_jobs_follow_the_group(org: Account, sender: Sender, admin: User, lead: User) -> None:
    enterprise = make_account("umbrella", {3: ("shared", ["deploy"])}, kind="enterprise")
    now = timezone.now()
    for github_id, name, inherited in ((70, "shared", True), (8, "others", False)):
        RunnerGroup.objects.create(
            account=org,
            github_id=github_id,
            name=name,
            inherited=inherited,
            observed_at=now,
            first_seen_at=now,
        )
    shared: Payload = {"labels": ["deploy"], "runner_name": "deploy-1000004236"}
    sender.deliver(
        completed(40, 100, id=1),
        completed(40, 100, id=2, runner_group_id=8, labels=[]),
        completed(40, 100, id=3, runner_group_id=70, **shared),
        queued(id=4, labels=[]),
        queued(id=5),
    )
    normalise_waiting()

    def seen(user: User) -> list[int]:
        return sorted(Job.objects.visible_to(user).values_list("github_id", flat=True))

    assert seen(admin) == seen(viewer(org, limited=False)) == [1, 2, 3, 4, 5]
    assert seen(viewer(org, 7)) == [1, 5]
    assert seen(viewer(org, 8)) == [2]
    assert seen(viewer(org, 70)) == [3]
    assert seen(viewer(enterprise, limited=False)) == seen(viewer(enterprise, 3)) == [3]
    assert seen(viewer(org)) == seen(lead) == []


def test_one_unreadable_delivery_never_holds_back_the_others(sender: Sender) -> None:
    strange = delivery("completed", id=9, created_at="9999-12-31T23:59:59+14:00", name="\ud800\x00")
    assert sender.post(strange) == 202
    sender.deliver(*(queued(id=number) for number in range(1, 4)))
    normalise_waiting()
    assert Job.objects.filter(github_id__lte=3).count() == 3
    assert not Delivery.objects.waiting().exists()
