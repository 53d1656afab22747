"""Made-up rows as a real installation has them, written straight into the database."""

import random
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.utils import timezone

from runners_app.models import Account, Credential, Image, Limits, Reading, Runner, RunnerGroup
from runners_app.readings.rows import Values, hash_of
from runners_app.security.secrets import seal

ACCOUNTS = 50
STATUSES = (("Ready", 90), ("Shutdown", 5), ("Provisioning", 3), ("Deleting", 1), ("Stuck", 1))
PLATFORMS = (
    ("linux-x64", 60),
    ("win-x64", 25),
    ("linux-arm64", 10),
    ("macos-arm64", 4),
    ("win-arm64", 1),
)
SIZES = (("4-core", 35), ("8-core", 35), ("16-core", 15), ("32-core", 10), ("64-core", 5))
IMAGES = {
    "linux-x64": ("Ubuntu 22.04", "Ubuntu 24.04"),
    "win-x64": ("Windows Server 2022", "Windows Server 2025"),
    "linux-arm64": ("Ubuntu 24.04 by Arm Limited",),
    "macos-arm64": ("macOS 15",),
    "win-arm64": ("Windows 11 Desktop by Arm Limited",),
}


def make_world(runners: int, accounts: int = ACCOUNTS, seed: int = 1) -> None:
    """`accounts` organizations with equally many runners each, groups, images, limits and an
    administrator `ada`.
    """
    chance = random.Random(seed)
    now = timezone.now()
    User.objects.create_superuser("ada", password="a password for the benchmark")
    for number in range(accounts):
        account = _account(number, now)
        groups = _groups(account, number, now)
        _images(account, now)
        made = [
            _runner(account, groups, chance, number, each, now)
            for each in range(runners // accounts)
        ]
        Runner.objects.bulk_create(made, batch_size=1000)


def _account(number: int, now: datetime) -> Account:
    credential = Credential(
        api_url="https://api.github.com", kind="classic", fingerprint=f"{number:064d}"
    )
    credential.sealed_secret = seal(
        "ghp_" + "0" * 36, uid=credential.uid, api_url=credential.api_url
    )
    credential.save()
    account = Account.objects.create(
        kind="organization",
        slug=f"organization-{number:03d}",
        api_url=credential.api_url,
        credential=credential,
    )
    Limits.objects.create(account=account, maximum=50, used=number % 50, observed_at=now)
    later = now + timedelta(days=1)
    Reading.objects.bulk_create(
        Reading(
            account=account,
            resource=resource,
            order=order,
            due_at=later,
            last_good_at=now,
            last_started_at=now,
        )
        for order, resource in enumerate(Reading.ORDER)
    )
    return account


def _groups(account: Account, number: int, now: datetime) -> list[int]:
    names = ["Default", *(f"team-{letter}" for letter in "abcdefgh")]
    ids = [1, *(number * 100 + 2 + each for each in range(8))]
    RunnerGroup.objects.bulk_create(
        RunnerGroup(
            account=account,
            github_id=github_id,
            name=name,
            visibility="all",
            default=name == "Default",
            observed_at=now,
            first_seen_at=now,
        )
        for github_id, name in zip(ids, names, strict=True)
    )
    return ids


def _images(account: Account, now: datetime) -> None:
    Image.objects.bulk_create(
        Image(
            account=account,
            source="github",
            github_id=name.lower().replace(" ", "-"),
            name=name,
            platform=platform,
            observed_at=now,
            first_seen_at=now,
        )
        for platform, names in IMAGES.items()
        for name in names[:1]  # the second is no longer offered
    )


def _runner(
    account: Account,
    groups: list[int],
    chance: random.Random,
    number: int,
    each: int,
    now: datetime,
) -> Runner:
    platform, size = _pick(PLATFORMS, chance), _pick(SIZES, chance)
    names = IMAGES[platform]
    image = names[0] if chance.random() < 0.98 else names[-1]
    idle = timedelta(minutes=chance.randrange(1, 60 * 24 * 120))
    values: Values = {
        "name": f"{platform}-{size}-{_word(chance)}-{number:03d}-{each:04d}",
        "status": _pick(STATUSES, chance),
        "platform": platform,
        "image_id": image.lower().replace(" ", "-"),
        "image_source": "github",
        "image_name": image,
        "image_version": "latest",
        "image_size_gb": 86,
        "size": size,
        "cpu_cores": int(size.partition("-")[0]),
        "memory_gb": 4 * int(size.partition("-")[0]),
        "storage_gb": 150,
        "group_id": chance.choice(groups),
        "maximum_runners": chance.choice((5, 10, 20, 50, 100)),
        "static_ip": chance.random() < 0.05,
        "public_ips": [],
        "last_active_on": None if chance.random() < 0.1 else now - idle,
        "image_gen": False,
    }
    since = now - timedelta(minutes=chance.randrange(1, 60 * 24 * 300))
    return Runner(
        account=account,
        github_id=number * 10_000 + each,
        row_hash=hash_of(values),
        observed_at=now,
        first_seen_at=now,
        status_since=since,
        **values,
    )


def _pick(choices: tuple[tuple[str, int], ...], chance: random.Random) -> str:
    values, weights = zip(*choices, strict=True)
    return str(chance.choices(values, weights)[0])


def _word(chance: random.Random) -> str:
    return "".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=4))
