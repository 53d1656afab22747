"""Sealing every stored secret anew under the first of CREDENTIAL_KEYS, one row at a time.

Each row changes by compare-and-swap: only if it still holds what was read. So it may run while
workers renew tokens, and may be killed anywhere: what was reached is under the new key, the rest
under the old one, and both open.
"""

from collections.abc import Iterator
from typing import Any

from allauth.mfa.models import Authenticator
from django.db.models import Model

from runners_app.models import App, Channel, Credential, Hook
from runners_app.security.secrets import SecretUnreadable, reseal

SEALED: tuple[tuple[type[Model], str], ...] = (
    (App, "sealed_key"),
    (Credential, "sealed_secret"),
    (Credential, "sealed_installation_token"),
    (Channel, "sealed_address"),
    (Hook, "sealed_secret"),
)
# Of a second factor the secrets lie inside its JSON.
SEALED_IN_DATA = ("secret", "seed")
TRIES = 5


def rotate_all() -> Iterator[tuple[str, str]]:
    """Yields (row, "resealed" | "unchanged" | "unreadable") for each secret as it goes."""
    for model, field in SEALED:
        rows = (
            model._default_manager.exclude(**{field: ""})
            .order_by("pk")
            .values_list("pk", flat=True)
        )
        for pk in list(rows):
            yield f"{model._meta.verbose_name} {pk}", _rotate(model, pk, field, reseal)
    for pk in list(Authenticator.objects.order_by("pk").values_list("pk", flat=True)):
        yield f"second factor {pk}", _rotate(Authenticator, pk, "data", _reseal_data)


def _rotate(model: Any, pk: int, field: str, anew: Any) -> str:
    for _ in range(TRIES):
        before = model._default_manager.filter(pk=pk).values_list(field, flat=True).first()
        if not before:
            return "unchanged"
        try:
            after = anew(before)
        except SecretUnreadable:
            return "unreadable"
        if after == before:
            return "unchanged"
        if model._default_manager.filter(pk=pk, **{field: before}).update(**{field: after}):
            return "resealed"
    return "unchanged"  # it was written again and again, each time under the first key


def _reseal_data(data: dict[str, Any]) -> dict[str, Any]:
    sealed = {
        name: reseal(data[name]) for name in SEALED_IN_DATA if isinstance(data.get(name), str)
    }
    return {**data, **sealed}
