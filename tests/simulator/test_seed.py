"""The seeded world: the same for the same seed, with runners that tests and demo rely on."""

from dataclasses import asdict
from itertools import pairwise

import pytest

from runners_app.simulator.world import lifecycle, seed
from runners_app.simulator.world.catalog import SIZES
from runners_app.simulator.world.state import Account, Runner, World

NOW = 1_795_000_000.0
DAY = 86_400


def make(**size: int) -> World:
    return seed.make_world(seed.Size(**size), NOW)


def named(account: Account) -> dict[str, Runner]:
    return {runner.name: runner for runner in account.runners.values()}


def test_the_same_seed_makes_the_same_world() -> None:
    assert asdict(make(seed=5)) == asdict(make(seed=5))


def test_another_seed_makes_other_tokens_and_ids() -> None:
    one, other = make(seed=5), make(seed=6)
    assert not set(one.tokens) & set(other.tokens)
    assert asdict(one) != asdict(other)


def test_a_larger_world_begins_with_the_same_runners() -> None:
    few, many = make(runners=20), make(runners=200)
    for account in few.accounts.values():
        for runner_id, runner in account.runners.items():
            assert many.accounts[account.key].runners[runner_id] == runner


@pytest.mark.parametrize("runners", [0, 1, 40, 400])
def test_each_account_has_the_requested_number_of_runners_with_unique_names(runners: int) -> None:
    for account in make(runners=runners, organizations=2).accounts.values():
        assert len(account.runners) == runners
        assert len(named(account)) == runners


def test_a_large_world_has_accounts_with_unique_slugs() -> None:
    world = make(organizations=50, enterprises=4, runners=1)
    assert len(world.accounts) == 54
    assert len({account.id for account in world.accounts.values()}) == 54


def test_ids_of_runners_and_groups_repeat_from_account_to_account() -> None:
    first, second = list(make().organizations())[:2]
    assert set(first.runners) == set(second.runners)


def test_two_organizations_belong_to_the_enterprise_and_one_stands_alone() -> None:
    assert {account.slug: account.enterprise for account in make().organizations()} == {
        "acme": "umbrella",
        "globex": "umbrella",
        "initech": None,
    }


@pytest.mark.parametrize(
    "account", list(make().accounts.values()), ids=lambda account: account.slug
)
def test_every_account_has_the_same_special_runners(account: Account) -> None:
    runners = named(account)
    at = lifecycle.elapsed(make().clock, NOW)
    assert list(runners)[:3] == ["linux-8core-ci", "win-build-16", "gpu-train-t4"]
    assert lifecycle.status(runners["stuck-arm-4core"], at) == "Stuck"
    assert lifecycle.status(runners["paused-win-8core"], at) == "Shutdown"
    assert lifecycle.status(runners["fresh-arm-8core"], at) == "Provisioning"
    assert runners["mystery-8core"].image is None
    assert runners["code-scanning"].last_active_on is None
    assert runners["image-builder"].image_gen
    old = runners["Old Ubuntu Builder"].last_active_on
    assert old is not None
    assert old < NOW - 90 * DAY
    pinned, following = runners["golden-linux-16core"].image, runners["golden-linux-latest"].image
    assert pinned is not None
    assert following is not None
    assert (pinned.source, pinned.version, following.version) == ("custom", "1.2.0", "latest")
    gone = runners["legacy-ubuntu-20"].image
    assert gone is not None
    assert gone.id == "2004"


def test_seeded_runners_obey_the_rules_of_sizes_and_groups() -> None:
    for account in make(runners=200).accounts.values():
        for runner in account.runners.values():
            assert runner.platform in SIZES[runner.size].platforms, runner.name
            assert account.groups[runner.group_id].inherited_from is None, runner.name


def test_seeded_static_ranges_are_unique_within_an_account() -> None:
    for account in make().accounts.values():
        ranges = [
            lifecycle.public_ips(runner, 0)
            for runner in account.runners.values()
            if runner.static_ip
        ]
        prefixes = [each[0]["prefix"] for each in ranges]
        assert len(set(prefixes)) == len(prefixes) == 3


def test_versions_of_custom_images_are_in_the_order_they_were_built() -> None:
    for account in make().accounts.values():
        assert 3 <= len(account.images) <= 6
        for image in account.images.values():
            assert all(
                before.created_on < after.created_on for before, after in pairwise(image.versions)
            )


def test_there_is_a_token_for_each_way_of_being_refused() -> None:
    notes = {token.note for token in make().tokens.values()}
    assert notes >= {
        "main",
        "read-only",
        "expired",
        "sso-missing",
        "fine-grained",
        "many-organizations",
    }
