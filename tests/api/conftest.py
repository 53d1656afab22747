"""API tokens, and clients that send them."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from runners_app.api.tokens import create_token
from tests.insight.conftest import busy, org, sender

__all__ = ["busy", "org", "sender"]

MakeToken = Callable[..., str]


@pytest.fixture
def make_token() -> MakeToken:
    """Creates a token for a user; answers its text."""

    def make(owner: User, *scopes: str, **options: Any) -> str:
        granted = scopes or ("read", "write", "export")
        return create_token(owner, name="a script", scopes=granted, by=owner, **options)[1]

    return make


@pytest.fixture
def as_script(admin: User, make_token: MakeToken) -> Client:
    """A script with a token of the administrator that has every scope."""
    return Client(headers={"Authorization": f"Bearer {make_token(admin)}"})
