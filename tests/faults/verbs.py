"""The five writes that people request, each with an existing target and a check of its effect on
GitHub.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import uuid4

import requests
from django.contrib.auth.models import User
from django.db.models import Q

from runners_app.images.requests import request_delete_image, request_delete_image_version
from runners_app.models import Account, Image, ImageVersion, Operation, Runner, RunnerGroup
from runners_app.runners.requests import request_create, request_delete_runner, request_update
from runners_app.runners.settings import RunnerSettings

SECONDS = 10.0


@dataclass(frozen=True)
class Verb:
    """A write. `path` matches the path of its request; without a slug, of any account."""

    name: str
    method: str
    path: str
    request: Callable[[Account, User], Operation]

    def path_in(self, account: Account) -> str:
        owner = "orgs" if account.kind == Account.Kind.ORGANIZATION else "enterprises"
        return f"^/{owner}/{account.slug}/{self.path}"

    def __str__(self) -> str:
        return self.name


def wanted_runner(account: Account, name: str) -> RunnerSettings:
    image = (
        Image.objects.present()
        .filter(account=account, source="github", platform="linux-x64")
        .order_by("pk")[0]
    )
    group = RunnerGroup.objects.get(account=account, default=True)
    return RunnerSettings(
        name=name,
        image_id=image.github_id,
        image_source="github",
        image_version=None,
        size="4-core",
        runner_group_id=group.github_id,
        maximum_runners=3,
        enable_static_ip=False,
        image_gen=False,
    )


def free_runner(account: Account) -> Runner:
    """A settled runner without an unfinished operation and without a deletion."""
    ready = Runner.objects.present().filter(account=account, status="Ready").exclude(image_id="")
    asked = Operation.objects.filter(account=account, target_id__isnull=False)
    taken = asked.filter(
        Q(state__in=Operation.UNFINISHED) | Q(kind=Operation.Kind.DELETE_RUNNER)
    ).values("target_id")
    return ready.exclude(github_id__in=taken).order_by("pk")[0]


def free_image(account: Account) -> Image:
    """A custom image that no runner uses; GitHub refuses to delete others."""
    used = (
        Runner.objects.present().filter(account=account, image_source="custom").values("image_id")
    )
    taken = [
        str(pk)
        for pk in Operation.objects.filter(account=account).values_list("target_id", flat=True)
    ]
    custom = (
        Image.objects.present().filter(account=account, source="custom").exclude(github_id__in=used)
    )
    return custom.exclude(github_id__in=taken).order_by("-pk")[0]


def create_runner(account: Account, by: User) -> Operation:
    name = f"made-{uuid4().hex[:12]}"
    return request_create(account, wanted_runner(account, name), by=by, nonce=str(uuid4()))


def update_runner(account: Account, by: User) -> Operation:
    runner = free_runner(account)
    base = RunnerSettings.of(runner)
    wanted = replace(base, maximum_runners=(base.maximum_runners or 1) % 900 + 7)
    return request_update(runner, wanted, base=base, by=by, nonce=str(uuid4()))


def delete_runner(account: Account, by: User) -> Operation:
    return request_delete_runner(free_runner(account), by=by, nonce=str(uuid4()))


def delete_image(account: Account, by: User) -> Operation:
    return request_delete_image(free_image(account), by=by, nonce=str(uuid4()))


def delete_version(account: Account, by: User) -> Operation:
    image = free_image(account)
    version = ImageVersion.objects.present().filter(image=image).order_by("pk")[0]
    return request_delete_image_version(version, by=by, nonce=str(uuid4()))


RUNNERS, IMAGES = "actions/hosted-runners", "actions/hosted-runners/images/custom"
CREATE = Verb("create runner", "POST", f"{RUNNERS}$", create_runner)
UPDATE = Verb("update runner", "PATCH", f"{RUNNERS}/[0-9]+$", update_runner)
DELETE_RUNNER = Verb("delete runner", "DELETE", f"{RUNNERS}/[0-9]+$", delete_runner)
DELETE_IMAGE = Verb("delete image", "DELETE", f"{IMAGES}/[0-9]+$", delete_image)
DELETE_VERSION = Verb("delete version", "DELETE", f"{IMAGES}/[0-9]+/versions/", delete_version)
VERBS = (CREATE, UPDATE, DELETE_RUNNER, DELETE_IMAGE, DELETE_VERSION)
DELETES = (DELETE_RUNNER, DELETE_IMAGE, DELETE_VERSION)


class Github:
    """Direct access to the simulated GitHub with the account's own token."""

    def __init__(self, base_url: str, account: Account, token: str) -> None:
        owner = "orgs" if account.kind == Account.Kind.ORGANIZATION else "enterprises"
        self._base = f"{base_url}/{owner}/{account.slug}/{RUNNERS}"
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers.update({"Authorization": f"Bearer {token}", "User-Agent": "tests"})

    def has_taken_effect(self, operation: Operation) -> bool:
        match operation.kind:
            case "create_runner":
                named = [
                    runner
                    for runner in self.runners()
                    if runner["name"] == operation.wanted["name"]
                ]
                return [runner["id"] for runner in named] == [operation.target_id]
            case "update_runner":
                answer = self._get(f"/{operation.target_id}").json()
                return bool(answer["maximum_runners"] == operation.wanted["maximum_runners"])
            case "delete_runner":
                return self._get(f"/{operation.target_id}").status_code == 404
            case "delete_image":
                return self._get(f"/images/custom/{operation.target_id}").status_code == 404
        address = f"/images/custom/{operation.target_id}/versions/{operation.target_version}"
        return self._get(address).status_code == 404

    def runners(self) -> list[dict[str, object]]:
        found: list[dict[str, object]] = []
        for page in range(1, 30):
            listed = self._get("", per_page=100, page=page).json()["runners"]
            found += listed
            if len(listed) < 100:
                break
        return found

    def _get(self, path: str, **query: int) -> requests.Response:
        return self._session.get(self._base + path, params=query, timeout=SECONDS)
