"""Feeds for firewalls: conditional requests, age, groups, and no list that shrank unproven."""

from datetime import timedelta

from django.test import Client
from django.utils import timezone

from runners_app.models import Account, AuditEntry, Reading, Runner, RunnerGroup

FEED = "/static-ips/ranges.txt"


def a_runner_with_ranges() -> Runner:
    return Runner.objects.exclude(public_ips=[]).earliest("pk")


def test_a_feed_answers_304_to_its_own_etag_and_leaves_one_audit_entry(
    as_admin: Client, acme: Account
) -> None:
    first = as_admin.get(FEED)
    assert first.status_code == 200
    etag = first.headers["ETag"]
    again = as_admin.get(FEED, headers={"If-None-Match": etag})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", etag)
    assert AuditEntry.objects.filter(action="list.exported").count() == 1
    Runner.objects.filter(pk=a_runner_with_ranges().pk).update(
        public_ips=[{"enabled": True, "prefix": "203.0.113.0", "length": 28}]
    )
    assert as_admin.get(FEED, headers={"If-None-Match": etag}).status_code == 200


def test_each_format_has_an_etag_of_its_own(as_admin: Client, acme: Account) -> None:
    tags = {as_admin.get(f"/static-ips/ranges.{each}").headers["ETag"] for each in ("txt", "csv")}
    assert len(tags) == 2


def test_a_feed_says_how_old_it_is(as_admin: Client, acme: Account, globex: Account) -> None:
    old = timezone.now() - timedelta(minutes=10)
    Reading.objects.filter(account=globex, resource="runners").update(last_good_at=old)
    for address in (FEED, "/static-ips/changes.txt?since=2026-11-01"):
        assert as_admin.get(address).headers["X-Trackside-As-Of"] == old.isoformat(
            timespec="seconds"
        )
    newer = as_admin.get(FEED, {"account": "acme"}).headers["X-Trackside-As-Of"]
    assert newer > old.isoformat(timespec="seconds")


def test_a_feed_is_filtered_by_group(as_admin: Client, acme: Account) -> None:
    runner = a_runner_with_ranges()
    group, other = RunnerGroup.objects.filter(account=acme).order_by("pk")[:2]
    Runner.objects.update(group_id=other.github_id)
    Runner.objects.filter(pk=runner.pk).update(group_id=group.github_id)
    shown = as_admin.get(FEED, {"group": group.name}).content.decode().split()
    assert shown == sorted(cidr for cidr, enabled in runner.ranges if enabled)
    assert as_admin.get(FEED, {"group": "no such group"}).content == b""


def test_a_runner_that_lists_lack_stays_in_the_feed_until_it_is_proven_gone(
    as_admin: Client, acme: Account
) -> None:
    runner = a_runner_with_ranges()
    ranges = {cidr for cidr, enabled in runner.ranges if enabled}
    now = timezone.now()
    Runner.objects.filter(pk=runner.pk).update(missing_since=now)
    assert ranges <= set(as_admin.get(FEED).content.decode().split())
    Runner.objects.filter(pk=runner.pk).update(gone_at=now)
    assert not ranges & set(as_admin.get(FEED).content.decode().split())


def test_a_list_without_an_account_that_was_never_read_is_refused(
    as_admin: Client, acme: Account, globex: Account
) -> None:
    Reading.objects.filter(account=globex).update(last_good_at=None)
    answer = as_admin.get(FEED)
    assert answer.status_code == 503
    assert "globex" in answer.content.decode()
    assert as_admin.get(FEED, {"account": "acme"}).status_code == 200
