"""Posting deliveries as GitHub does."""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from http import HTTPStatus

from django.test import Client

from runners_app.jobs.hooks import hook_for, secret_of
from runners_app.models import Account, App


def signature(secret: str, body: bytes) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


class Sender:
    """Posts signed deliveries to the inbox of an account."""

    def __init__(self, account: Account | App) -> None:
        self.hook = hook_for(account)
        self.secret = secret_of(self.hook)
        self.client = Client(enforce_csrf_checks=True)

    def post(
        self,
        payload: object,
        *,
        guid: str | None = None,
        event: str = "workflow_job",
        path: str | None = None,
        signed: str | None = None,
    ) -> int:
        """Returns the status of the answer."""
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        headers = {
            "X-GitHub-Event": event,
            "X-GitHub-Delivery": guid or str(uuid.uuid4()),
            "X-Hub-Signature-256": signature(self.secret, body) if signed is None else signed,
        }
        where = path or self.hook.path
        answer = self.client.post(where, body, content_type="application/json", headers=headers)
        return int(answer.status_code)

    def deliver(self, *payloads: object) -> None:
        """Post each, and expect it to be stored."""
        for payload in payloads:
            assert self.post(payload) == HTTPStatus.ACCEPTED
