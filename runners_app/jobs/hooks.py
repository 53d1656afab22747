"""Inboxes for webhooks: made once per account or GitHub App, found by their address."""

from __future__ import annotations

import secrets
import uuid

from django.conf import settings

from runners_app.github import GitHubClient, GitHubError
from runners_app.models import Account, App, Hook, Reading
from runners_app.security.secrets import SecretUnreadable, seal_for_web, unseal_for_web


def hook_for(owner: Account | App) -> Hook:
    """The inbox of an account or App, made if there is none."""
    found = Hook.objects.filter(**_owner(owner)).first()
    if found is not None:
        return found
    uid = uuid.uuid4()
    secret = seal_for_web(secrets.token_urlsafe(32), uid=uid, api_url=owner.api_url)
    made, _ = Hook.objects.get_or_create(
        **_owner(owner), defaults={"uid": uid, "sealed_secret": secret}
    )
    return made


def want_hook(account: Account) -> Hook:
    """Have the worker make the hook at GitHub, unless it is there."""
    hook = hook_for(account)
    if not hook.wanted or hook.error:
        Hook.objects.filter(pk=hook.pk).update(wanted=True, error="")
        Reading.objects.schedule_now(account, Reading.Resource.JOB_DELIVERIES)
    return hook


def point_app_hook(client: GitHubClient, app: App) -> None:
    """In a worker: let the App's hook post here, if somebody wanted that. A refusal is stored.

    GitHub: apps/get-webhook-config-for-app, apps/update-webhook-config-for-app.
    """
    hook = Hook.objects.filter(app=app, wanted=True).first()
    address = address_of(hook) if hook else ""
    if hook is None or not address:
        return
    error = ""
    try:
        # GitHub never tells the secret: it is set until a delivery proves it.
        if client.get_app_hook_config().data.url != address or hook.last_event_at is None:
            client.update_app_hook_config(address, secret_of(hook))
    except (GitHubError, SecretUnreadable) as refused:
        error = str(refused)
    Hook.objects.filter(pk=hook.pk).update(error=error)


def address_of(hook: Hook) -> str:
    """Where GitHub is to post, or nothing while nobody said by which address Trackside is
    reached.
    """
    is_demo = hook.account is not None and hook.account.demo
    base: str = settings.HOOKS_URL or settings.PUBLIC_URL
    if is_demo:
        base = settings.DEMO_HOOKS_URL
    return base + hook.path if base else ""


def secret_of(hook: Hook) -> str:
    """What GitHub signs with. Raises SecretUnreadable if no key opens it."""
    return unseal_for_web(hook.sealed_secret, uid=hook.uid, api_url=hook.api_url)


def _owner(owner: Account | App) -> dict[str, Account | App]:
    return {"account" if isinstance(owner, Account) else "app": owner}
