"""Terraform for runners and groups: HCL of the provider `integrations/github`, with import blocks.

The text is written so that a plan after the import changes nothing. Values that the provider cannot
hold, or would replace a runner for, are comments, and the head lists what is left out.
"""

import json
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from urllib.parse import urlsplit

from runners_app.models import Account, GroupAccess, Runner, RunnerGroup

RUNNER, GROUP = "github_actions_hosted_runner", "github_actions_runner_group"
# Names that the provider's own validation accepts.
RUNNER_NAME = re.compile(r"[A-Za-z0-9._-]+")
ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
IGNORE_IMAGE = (
    "# GitHub does not answer `image` as the provider expects (its issue 3405): without this line,",
    "# a plan after the import would replace the runner. Terraform does not manage the image.",
)
IGNORE_VERSION = "# The provider never reads `image_version`, so a plan would show it for ever."
HEAD = """# Runners and groups of {accounts}, as Trackside last read them from GitHub.
#
# Put it into an empty folder, set GITHUB_TOKEN, then run `terraform init` and `terraform plan`: it
# should import everything and change nothing. Afterwards the import blocks may be deleted.
#
# Terraform does not manage the image of an imported runner: see the comments in the lifecycle
# blocks. To change an image, use Trackside or GitHub.
"""


@dataclass
class Export:
    """HCL by organization, and what is not in it, with the reason."""

    files: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    def text(self) -> str:
        """All files as one text, which is a valid file itself."""
        parts = [self.head()]
        for name, text in self.files.items():
            parts.append(f"# {'-' * 8} {comment(name)}.tf {'-' * 8}\n\n{text}")
        return "\n".join(parts)

    def archive(self) -> bytes:
        """A zip archive of `versions.tf` and one file per organization, for one folder."""
        packed = BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("versions.tf", self.head())
            for name, text in self.files.items():
                archive.writestr(f"{name}.tf", text)
        return packed.getvalue()

    def head(self) -> str:
        """What to do with the files, what is not in them, and the provider they need."""
        head = HEAD.format(accounts=", ".join(self.files) or "no organization")
        if self.left_out:
            lines = "".join(f"#   {line}\n" for line in self.left_out)
            head += f"#\n# Not exported, because the provider cannot hold it:\n{lines}"
        if self.files:
            source = _attributes({"source": quote("integrations/github")}, 6)
            head += (
                "\nterraform {\n  required_providers {\n    github = {\n"
                f"{source}    }}\n  }}\n}}\n"
            )
        return head


def quote(text: str) -> str:
    """An HCL string: nothing in it is read as a template or ends it."""
    escaped = "".join(
        ESCAPES.get(each) or (f"\\u{ord(each):04x}" if ord(each) < 32 else each) for each in text
    )
    return '"' + escaped.replace("${", "$${").replace("%{", "%%{") + '"'


def comment(text: str) -> str:
    """Text that stays within the line of a comment."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def export(
    runners: Iterable[Runner],
    groups: Iterable[RunnerGroup],
    accounts: Mapping[int, Account],
    *,
    access: Mapping[int, Sequence[GroupAccess]],
    removed: bool = False,
) -> Export:
    """HCL of runners and groups, which are of `accounts` (by primary key).

    `access` are the lines of selected groups, by the group's primary key. With `removed`, blocks
    take the runners and groups out of Terraform instead, and leave them on GitHub.
    """
    found = Export()
    names: dict[str, int] = {}
    by_account: dict[int, tuple[list[RunnerGroup], list[Runner]]] = {}
    for group in groups:
        by_account.setdefault(group.account_id, ([], []))[0].append(group)
    for runner in runners:
        by_account.setdefault(runner.account_id, ([], []))[1].append(runner)

    for pk in sorted(by_account, key=lambda pk: str(accounts[pk])):
        account, (own_groups, own_runners) = accounts[pk], by_account[pk]
        if account.kind != Account.Kind.ORGANIZATION:
            for runner in own_runners:
                reason = "the provider knows only runners of organizations"
                found.left_out.append(comment(f"{account}/{runner.name}: {reason}"))
            continue
        blocks = _Organization(account, names, found.left_out).blocks(
            own_groups, own_runners, access, removed=removed
        )
        found.files[str(account)] = "\n".join(blocks)
    return found


class _Organization:
    """The blocks of one organization. `names` are the resource names taken so far."""

    def __init__(self, account: Account, names: dict[str, int], left_out: list[str]) -> None:
        self.account, self.names, self.left_out = account, names, left_out
        self.alias = _identifier(str(account))
        self.provider = f"github.{self.alias}"
        self.groups: dict[int, str] = {}

    def blocks(
        self,
        groups: Sequence[RunnerGroup],
        runners: Sequence[Runner],
        access: Mapping[int, Sequence[GroupAccess]],
        *,
        removed: bool,
    ) -> list[str]:
        provider = {"alias": quote(self.alias), "owner": quote(self.account.slug)}
        if base_url := _base_url(self.account):
            provider["base_url"] = quote(base_url)
        blocks = [f'provider "github" {{\n{_attributes(provider)}}}\n']
        for group in sorted(groups, key=lambda group: (group.name, group.github_id)):
            if not (group.inherited or group.default):
                name = self._name(GROUP, group.name, group.github_id)
                self.groups[group.github_id] = f"{GROUP}.{name}"
                if removed:
                    blocks.append(_removed(f"{GROUP}.{name}"))
                else:
                    blocks += [
                        self._import(f"{GROUP}.{name}", group.github_id),
                        self._group(name, group, access.get(group.pk, ())),
                    ]
        by_id = {group.github_id: group for group in groups}

        for runner in sorted(runners, key=lambda runner: (runner.name, runner.github_id)):
            if not RUNNER_NAME.fullmatch(runner.name):
                reason = "the provider refuses this name"
                self.left_out.append(comment(f"{self.account}/{runner.name}: {reason}"))
                continue
            if runner.group_id is None:
                reason = "Trackside has not read which group it is in"
                self.left_out.append(comment(f"{self.account}/{runner.name}: {reason}"))
                continue
            name = self._name(RUNNER, runner.name, runner.github_id)
            if removed:
                blocks.append(_removed(f"{RUNNER}.{name}"))
            else:
                blocks += [
                    self._import(f"{RUNNER}.{name}", runner.github_id),
                    self._runner(name, runner, by_id.get(runner.group_id or 0)),
                ]
        return blocks

    def _name(self, resource: str, name: str, github_id: int) -> str:
        """A name that stays the same between exports; a collision is resolved by GitHub's id."""
        wanted = _identifier(f"{self.account}_{name}")
        if self.names.setdefault(f"{resource}.{wanted}", github_id) != github_id:
            wanted = f"{wanted}_{github_id}"
            self.names[f"{resource}.{wanted}"] = github_id
        return wanted

    def _import(self, address: str, github_id: int) -> str:
        lines = {"to": address, "id": quote(str(github_id)), "provider": self.provider}
        return f"import {{\n{_attributes(lines)}}}\n"

    def _group(self, name: str, group: RunnerGroup, access: Sequence[GroupAccess]) -> str:
        values = {
            "provider": self.provider,
            "name": quote(group.name),
            "visibility": quote(group.visibility),
            "allows_public_repositories": _bool(group.allows_public_repositories),
            "restricted_to_workflows": _bool(group.restricted_to_workflows),
        }
        if group.selected_workflows:
            values["selected_workflows"] = _list(
                quote(str(each)) for each in group.selected_workflows
            )
        body = _attributes(values)
        if group.visibility in ("all", "private"):
            body += "  # GitHub may answer private as all, so this is what it answered.\n"
        if group.network_configuration_id:
            network = comment(group.network_configuration_id)
            body += f"  # The provider cannot hold the network configuration {network}.\n"

        if group.has_access_list and group.access_observed_at is None:
            body += (
                "\n  # Trackside has not read which repositories may use it.\n"
                "  lifecycle {\n    ignore_changes = [selected_repository_ids]\n  }\n"
            )
        elif group.has_access_list:
            lines = "".join(
                f"    {line.github_id}, # {comment(line.name)}\n"
                for line in sorted(access, key=lambda line: line.github_id)
            )
            body += f"\n  selected_repository_ids = [\n{lines}  ]\n"
        return f'resource "{GROUP}" "{name}" {{\n{body}}}\n'

    def _runner(self, name: str, runner: Runner, group: RunnerGroup | None) -> str:
        reference = self.groups.get(runner.group_id or 0)
        body = _attributes({"provider": self.provider, "name": quote(runner.name)})
        if reference is None:
            what = "another group" if group is None else comment(group.name)
            body += f"\n  # {what}: a group that Terraform cannot create.\n"
        values = {
            "runner_group_id": f"{reference}.id" if reference else str(runner.group_id),
            "size": quote(runner.size),
        }
        if runner.maximum_runners is not None:
            values["maximum_runners"] = str(runner.maximum_runners)
        values["public_ip_enabled"] = _bool(runner.static_ip)
        ignored = ["image"]
        if runner.image_source == "custom" and runner.fixed_image_version:
            values["image_version"] = quote(runner.fixed_image_version)
            ignored.append("image_version")
        if runner.image_gen:
            values["image_gen"] = "true"
        body += _attributes(values)

        image = {"id": quote(runner.image_id), "source": quote(runner.image_source)}
        body += f"\n  # {comment(runner.image_name)}\n  image {{\n{_attributes(image, 4)}  }}\n"
        reasons = [*IGNORE_IMAGE, *([IGNORE_VERSION] if len(ignored) > 1 else [])]
        lines = "".join(f"    {reason}\n" for reason in reasons)
        body += f"\n  lifecycle {{\n{lines}    ignore_changes = {_list(ignored)}\n  }}\n"
        return f'resource "{RUNNER}" "{name}" {{\n{body}}}\n'


def _base_url(account: Account) -> str:
    """Where the provider finds a server other than github.com; it adds the API's path itself."""
    server = urlsplit(account.api_url)
    if server.netloc == "api.github.com":
        return ""
    return f"{server.scheme}://{server.netloc.removeprefix('api.')}/"


def _removed(address: str) -> str:
    return f"removed {{\n  from = {address}\n\n  lifecycle {{\n    destroy = false\n  }}\n}}\n"


def _attributes(values: Mapping[str, str], indent: int = 2) -> str:
    """Lines of attributes with their equals signs aligned, as `terraform fmt` does."""
    width = max(map(len, values))
    return "".join(
        f"{' ' * indent}{name.ljust(width)} = {value}\n" for name, value in values.items()
    )


def _identifier(text: str) -> str:
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_") or "runner"
    return f"_{name}" if name[0].isdigit() else name


def _bool(value: bool) -> str:
    return "true" if value else "false"


def _list(values: Iterable[str]) -> str:
    return f"[{', '.join(values)}]"


def to_yaml(rows: Sequence[Mapping[str, object]]) -> str:
    """Flat mappings as YAML, whose scalars and lists may be written as JSON."""
    if not rows:
        return "[]\n"
    lines = []
    for row in rows:
        for number, (name, value) in enumerate(row.items()):
            dash = "-" if number == 0 else " "
            lines.append(f"{dash} {name}: {json.dumps(value, ensure_ascii=False)}\n")
    return "".join(lines)
