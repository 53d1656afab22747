"""Counters of second factors in the database, for allauth, which keeps them in a cache.

In a cache they can be evicted by loading pages, and then a used code works again.
"""

import hashlib
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from runners_app.models import SignInCount


def get(key: str, default: Any) -> Any:
    """Return the value, or the default if there is none or it has expired."""
    row = SignInCount.objects.filter(key=_stored(key), expires_at__gt=timezone.now()).first()
    return default if row is None else row.value


def add(key: str, value: Any, timeout: float) -> bool:
    """Store the value unless there is one. Return whether it was stored: only one caller can."""
    now = timezone.now()
    SignInCount.objects.filter(key=_stored(key), expires_at__lte=now).delete()
    try:
        with transaction.atomic():
            SignInCount.objects.create(
                key=_stored(key), value=value, expires_at=now + timedelta(seconds=timeout)
            )
    except IntegrityError:
        return False
    return True


def put(key: str, value: Any, timeout: float) -> None:
    """Store the value for `timeout` seconds."""
    expires_at = timezone.now() + timedelta(seconds=timeout)
    SignInCount.objects.update_or_create(
        key=_stored(key), defaults={"value": value, "expires_at": expires_at}
    )


def delete(key: str) -> bool:
    """Return whether there was a value."""
    return SignInCount.objects.filter(key=_stored(key)).delete()[0] > 0


def _stored(key: str) -> str:
    """A hash: the key names a user and a code."""
    return hashlib.sha256(key.encode()).hexdigest()
