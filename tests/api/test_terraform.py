"""The Terraform export, parsed back and compared with the rows it was made from."""

import csv
import io
import json
import zipfile
from typing import Any

import hcl2
import pytest
import yaml
from django.test import Client
from django.utils import timezone

from runners_app.api.terraform import quote
from runners_app.models import (
    Account,
    AuditEntry,
    Credential,
    GroupAccess,
    Membership,
    Runner,
    RunnerGroup,
)

ADDRESS = "/api/v1/export/terraform"
RUNNER, GROUP = "github_actions_hosted_runner", "github_actions_runner_group"
HOSTILE = 'quote " backslash \\ ${template} %{directive} \n # line'


def text_of(value: object) -> str:
    """The text of an HCL string as the parser gives it: quoted and escaped."""
    text = str(value)
    assert text.startswith('"')
    plain: str = json.loads(text)
    return plain.replace("$${", "${").replace("%%{", "%{")


class Parsed:
    """The blocks of an export by address."""

    def __init__(self, text: str) -> None:
        self.blocks: dict[str, Any] = hcl2.loads(text)
        self.imports = {each["to"].strip("${}"): each for each in self.blocks.get("import", ())}
        self.resources: dict[str, dict[str, Any]] = {}
        for resource in self.blocks.get("resource", ()):
            for kind, named in resource.items():
                if kind != "__is_block__":
                    for name, body in named.items():
                        self.resources[f"{kind}.{name}".replace('"', "")] = body

    def by_id(self, kind: str) -> dict[tuple[str, int], dict[str, Any]]:
        """Bodies by provider and GitHub's id."""
        return {
            (block["provider"], int(text_of(block["id"]))): self.resources[address]
            for address, block in self.imports.items()
            if address.startswith(f"{kind}.")
        }


def an_organization(slug: str, credential: Credential, runners: int) -> Account:
    """With one group of its own, an inherited one, and runners in both."""
    now = timezone.now()
    seen = {"observed_at": now, "first_seen_at": now}
    account = Account.objects.create(
        kind="organization", slug=slug, api_url="https://api.github.com", credential=credential
    )
    own = RunnerGroup.objects.create(
        account=account,
        github_id=10,
        name=f"{slug} {HOSTILE}",
        visibility="selected",
        restricted_to_workflows=True,
        selected_workflows=["acme/web/.github/workflows/deploy.yml@main"],
        access_observed_at=now,
        **seen,
    )
    for number in (5, 3):
        GroupAccess.objects.create(group=own, github_id=number, name=f"web-{number}\nx")
    RunnerGroup.objects.create(
        account=account, github_id=11, name="shared", visibility="all", inherited=True, **seen
    )
    Runner.objects.bulk_create(
        Runner(
            account=account,
            github_id=1000 + number,
            name=f"runner-{number}" if number > 1 else "Runner.1" if number else "runner_1",
            status="Ready",
            image_id=str(number) if number % 3 else HOSTILE,
            image_source="custom" if number % 2 else "github",
            image_name=f"image {number}\nwith a line",
            image_version="1.2.3" if number % 4 == 1 else "latest" if number % 4 == 3 else "",
            size=f"{2 + number}-core",
            group_id=11 if number % 5 == 0 else 10,
            maximum_runners=None if number == 7 else number,
            static_ip=number % 2 == 0,
            image_gen=number % 6 == 0,
            status_since=now,
            **seen,
        )
        for number in range(runners)
    )
    return account


@pytest.fixture
def credential(db: None) -> Credential:
    return Credential.objects.create(
        api_url="https://api.github.com", kind="classic", fingerprint="one"
    )


def test_two_hundred_runners_of_five_organizations_are_parsed_back(
    credential: Credential, as_script: Client
) -> None:
    slugs = ("acme", "acme-tools", "7up", "Globex", "umbrella")
    accounts = [an_organization(slug, credential, 40) for slug in slugs]
    answer = as_script.get(ADDRESS)
    assert answer.status_code == 200
    parsed = Parsed(answer.content.decode())
    providers = {
        text_of(each["owner"]): "${github." + text_of(each["alias"]) + "}"
        for block in parsed.blocks["provider"]
        for each in [block['"github"']]
    }
    assert set(providers) == set(slugs)

    runners, groups = parsed.by_id(RUNNER), parsed.by_id(GROUP)
    assert (len(runners), len(groups)) == (200, 5)
    assert len(parsed.resources) == len(parsed.imports) == 205
    for account in accounts:
        provider = providers[account.slug]
        for row in Runner.objects.filter(account=account):
            block = runners[provider, row.github_id]
            assert block["provider"] == provider
            assert text_of(block["name"]) == row.name
            assert text_of(block["size"]) == row.size
            image = block["image"][0]
            assert (text_of(image["id"]), text_of(image["source"])) == (
                row.image_id,
                row.image_source,
            )
            assert block.get("maximum_runners") == row.maximum_runners
            assert block["public_ip_enabled"] is row.static_ip
            assert block.get("image_gen", False) is row.image_gen
            version = block.get("image_version")
            pinned = row.image_source == "custom" and row.fixed_image_version
            assert (text_of(version) if version else None) == (pinned or None)
            ignored = block["lifecycle"][0]["ignore_changes"]
            assert ignored == (["image", "image_version"] if pinned else ["image"])
            group = block["runner_group_id"]
            if row.group_id == 11:
                assert group == 11
            else:
                address = group.strip("${}").removesuffix(".id")
                assert text_of(parsed.imports[address]["id"]) == "10"
                assert parsed.imports[address]["provider"] == provider
        block = groups[provider, 10]
        assert text_of(block["name"]) == f"{account.slug} {HOSTILE}"
        assert text_of(block["visibility"]) == "selected"
        assert block["restricted_to_workflows"] is True
        assert [text_of(each) for each in block["selected_workflows"]] == [
            "acme/web/.github/workflows/deploy.yml@main"
        ]
        assert block["selected_repository_ids"] == [3, 5]


def test_resource_names_are_unique_and_stay_the_same(
    credential: Credential, as_script: Client
) -> None:
    an_organization("acme", credential, 3)
    first = Parsed(as_script.get(ADDRESS).content.decode())
    names = {address for address in first.resources if address.startswith(RUNNER)}
    assert len(names) == 3
    assert f"{RUNNER}.acme_runner_1" in names
    again = Parsed(as_script.get(ADDRESS).content.decode())
    assert {key: each["id"] for key, each in again.imports.items()} == {
        key: each["id"] for key, each in first.imports.items()
    }


def test_runners_that_the_provider_cannot_hold_are_listed(
    credential: Credential, as_script: Client
) -> None:
    account = an_organization("acme", credential, 3)
    Runner.objects.filter(account=account, github_id=1002).update(name="an old name\n# x")
    enterprise = an_organization("umbrella", credential, 1)
    Account.objects.filter(pk=enterprise.pk).update(kind="enterprise")
    text = as_script.get(ADDRESS).content.decode()
    assert "#   acme/an old name # x: the provider refuses this name\n" in text
    assert "#   umbrella/runner_1: the provider knows only runners of organizations\n" in text
    assert len(Parsed(text).by_id(RUNNER)) == 2


def test_the_export_is_filtered_and_limited_to_what_the_user_may_see(
    credential: Credential, as_script: Client, lead: object, as_lead: Client
) -> None:
    acme = an_organization("acme", credential, 4)
    an_organization("globex", credential, 4)
    parsed = Parsed(as_script.get(ADDRESS, {"q": "org:acme size:3-core"}).content.decode())
    assert len(parsed.by_id(RUNNER)) == 1
    Membership.objects.create(user=lead, account=acme)  # type: ignore[misc]
    text = as_lead.get(ADDRESS).content.decode()
    assert "globex" not in text
    assert len(Parsed(text).by_id(RUNNER)) == 4
    entry = AuditEntry.objects.filter(action="list.exported").latest("pk")
    assert (entry.actor_name, entry.details["rows"]) == ("lin", 4)


def test_removed_blocks_take_runners_out_of_terraform(
    credential: Credential, as_script: Client
) -> None:
    an_organization("acme", credential, 3)
    kept = Parsed(as_script.get(ADDRESS).content.decode())
    parsed = Parsed(as_script.get(ADDRESS, {"removed": "1"}).content.decode())
    assert not parsed.resources
    assert not parsed.imports
    removed = parsed.blocks["removed"]
    assert {each["from"].strip("${}") for each in removed} == set(kept.resources)
    assert all(each["lifecycle"][0]["destroy"] is False for each in removed)


def test_an_archive_has_a_file_of_each_organization_that_says_the_same(
    credential: Credential, as_script: Client
) -> None:
    for slug in ("acme", "globex"):
        an_organization(slug, credential, 2)
    whole = Parsed(as_script.get(ADDRESS).content.decode())
    answer = as_script.get(ADDRESS, {"archive": "1"})
    assert answer["Content-Type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.namelist() == ["versions.tf", "acme.tf", "globex.tf"]
        files = {name: Parsed(archive.read(name).decode()) for name in archive.namelist()}
    assert "integrations/github" in str(files["versions.tf"].blocks["terraform"])
    assert files["acme.tf"].resources | files["globex.tf"].resources == whole.resources
    assert files["acme.tf"].imports | files["globex.tf"].imports == whole.imports


@pytest.mark.parametrize(
    ("api_url", "base_url"),
    [
        ("https://api.github.com", None),
        ("https://api.acme.ghe.com", "https://acme.ghe.com/"),
        ("https://github.example.com/api/v3", "https://github.example.com/"),
    ],
)
def test_the_provider_is_told_of_other_servers(
    credential: Credential, as_script: Client, api_url: str, base_url: str | None
) -> None:
    account = an_organization("acme", credential, 1)
    Account.objects.filter(pk=account.pk).update(api_url=api_url)
    parsed = Parsed(as_script.get(ADDRESS).content.decode())
    written = parsed.blocks["provider"][0]['"github"'].get("base_url")
    assert (text_of(written) if written else None) == base_url


def test_attributes_are_aligned_as_terraform_fmt_does(
    credential: Credential, as_script: Client
) -> None:
    an_organization("acme", credential, 2)
    text = as_script.get(ADDRESS).content.decode()
    assert "import {\n  to       = github_actions_runner_group.acme_acme" in text
    assert '  id       = "10"\n  provider = github.acme\n}\n' in text
    assert not [line for line in text.splitlines() if line != line.rstrip()]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plain", '"plain"'),
        ('a"b\\', '"a\\"b\\\\"'),
        ("${x} %{y} $x", '"$${x} %%{y} $x"'),
        ("a\nb\t\x07", '"a\\nb\\t\\u0007"'),
    ],
)
def test_text_is_escaped_for_hcl(text: str, written: str) -> None:
    assert quote(text) == written


def test_settings_are_the_same_in_json_yaml_and_csv(
    credential: Credential, as_script: Client
) -> None:
    an_organization("acme", credential, 8)

    def get(file_format: str) -> str:
        answer = as_script.get("/api/v1/export/settings", {"format": file_format})
        assert answer.status_code == 200
        return str(answer.content.decode())

    rows = json.loads(get("json"))
    assert len(rows) == 8
    assert yaml.safe_load(get("yaml")) == rows
    table = list(csv.DictReader(io.StringIO(get("csv"))))
    assert [row["name"] for row in table] == [row["name"] for row in rows]
    row = Runner.objects.get(name="runner-5")
    shown = next(each for each in rows if each["name"] == "runner-5")
    assert (shown["account"], shown["image_version"]) == ("organization:acme", "1.2.3")
    assert (shown["group"], shown["runner_group_id"]) == ("shared", row.group_id)


def test_the_list_of_runners_has_a_terraform_button(
    credential: Credential, as_admin: Client
) -> None:
    an_organization("acme", credential, 3)
    page = as_admin.get("/runners/", {"q": "org:acme"}).content.decode()
    assert f'href="{ADDRESS}?q=org%3Aacme" download="runners.tf"' in page
