"""Sealing every stored secret again under the first key of its ring, one row at a time.

It needs the private half of CREDENTIAL_KEYS, so it runs where workers do. Rows are written by
compare-and-swap, so this can run while workers renew tokens. It can also be killed at any point:
some secrets are then under the new key and some under the old, and both open.
"""

from collections.abc import Callable, Iterator
from typing import Any

from allauth.mfa.models import Authenticator
from django.db.models import Model

from runners_app.models import App, Channel, Credential, Hook
from runners_app.security.secrets import (
    SecretUnreadable,
    fingerprints,
    reseal,
    reseal_for_web,
    unseal,
)

SEALED: tuple[tuple[type[Model], str, Callable[[str], str]], ...] = (
    (App, "sealed_key", reseal),
    (Credential, "sealed_secret", reseal),
    (Credential, "sealed_installation_token", reseal),
    (Channel, "sealed_address", reseal),
    (Hook, "sealed_secret", reseal_for_web),
)
# The secrets inside the JSON of a second factor.
SEALED_IN_DATA = ("secret", "seed", "bound")
TRIES = 5


def rotate_all() -> Iterator[tuple[str, str]]:
    """Rotate all secrets; yields (row, "resealed" | "unchanged" | "unreadable") for each."""
    for model, field, reseal_value in SEALED:
        rows = (
            model._default_manager.exclude(**{field: ""})
            .order_by("pk")
            .values_list("pk", flat=True)
        )
        for pk in list(rows):
            yield f"{model._meta.verbose_name} {pk}", _rotate(model, pk, field, reseal_value)
            if (model, field) == (Credential, "sealed_secret"):
                _renew_fingerprint(pk)
    for pk in list(Authenticator.objects.order_by("pk").values_list("pk", flat=True)):
        yield f"second factor {pk}", _rotate(Authenticator, pk, "data", _reseal_data)


def _rotate(model: Any, pk: int, field: str, reseal_value: Any) -> str:
    for _ in range(TRIES):
        before = model._default_manager.filter(pk=pk).values_list(field, flat=True).first()
        if not before:
            return "unchanged"
        try:
            after = reseal_value(before)
        except SecretUnreadable:
            return "unreadable"
        if after == before:
            return "unchanged"
        if model._default_manager.filter(pk=pk, **{field: before}).update(**{field: after}):
            return "resealed"
    return "unchanged"  # workers keep writing it, each time under the first key


def _renew_fingerprint(pk: int) -> None:
    """Have the token's fingerprint under the first of WEB_KEYS; nothing if it does not open."""
    row = Credential.objects.filter(pk=pk).first()
    if row is None:
        return
    try:
        token = unseal(row.sealed_secret, uid=row.uid, api_url=row.api_url)
    except SecretUnreadable:
        return
    same = Credential.objects.filter(pk=pk, sealed_secret=row.sealed_secret)
    same.update(fingerprint=fingerprints(token)[0])


def _reseal_data(data: dict[str, Any]) -> dict[str, Any]:
    sealed = {
        name: reseal_for_web(data[name])
        for name in SEALED_IN_DATA
        if isinstance(data.get(name), str)
    }
    return {**data, **sealed}
