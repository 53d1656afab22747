"""Calls about webhooks of organizations and of a GitHub App, and the log of their deliveries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from . import values
from .caller import Caller
from .meta import Answer
from .pages import Known, Page, none_known
from .shapes import Owner

EVENTS = ("workflow_job",)


@dataclass(frozen=True, slots=True)
class Webhook:
    """A hook of an organization. GitHub never tells its secret."""

    id: int
    active: bool
    events: tuple[str, ...]
    url: str


@dataclass(frozen=True, slots=True)
class WebhookConfig:
    """Where a hook posts, and in which form (`json` or `form`)."""

    url: str
    content_type: str


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """One attempt to deliver. Attempts of one delivery share the `guid`; the log keeps three days.

    `status` is "OK" or says what went wrong. `payload` is there only of a delivery read by itself.
    """

    id: int
    guid: str
    delivered_at: datetime | None
    redelivery: bool
    status: str
    status_code: int | None
    event: str
    action: str
    throttled_at: datetime | None
    payload: Mapping[str, object] | None = None

    @property
    def arrived(self) -> bool:
        """GitHub's `status=failure` leaves out timeouts and refused connections."""
        return self.status == "OK"


class WebhookCalls(Caller):
    def list_organization_hooks(
        self, owner: Owner, *, known: Known = none_known, per_page: int = 100
    ) -> Iterator[Page[Webhook]]:
        """All hooks the credential may see, in pages of a bare array; OAuth tokens see only their
        own.

        orgs/list-webhooks: GET /orgs/{org}/hooks.
        """
        return self._pages(_hooks(owner), None, _webhook, known, per_page=per_page)

    def create_organization_hook(self, owner: Owner, url: str, secret: str) -> Answer[Webhook]:
        """Create a hook that posts job events as JSON, signed with the secret; GitHub pings it at
        once.

        orgs/create-webhook: POST /orgs/{org}/hooks.
        """
        config = {"url": url, "content_type": "json", "secret": secret, "insecure_ssl": "0"}
        body = {"name": "web", "active": True, "events": list(EVENTS), "config": config}
        return self._one("POST", _hooks(owner), _webhook, json=body)

    def get_organization_hook(self, owner: Owner, hook_id: int) -> Answer[Webhook]:
        """One hook; NotFound once it is deleted.

        orgs/get-webhook: GET /orgs/{org}/hooks/{hook_id}.
        """
        return self._one("GET", _hooks(owner, hook_id), _webhook)

    def update_organization_hook(
        self, owner: Owner, hook_id: int, *, active: bool, events: tuple[str, ...] = EVENTS
    ) -> Answer[Webhook]:
        """Switch a hook on or off and choose its events. Its address and secret stay: see the
        config.

        orgs/update-webhook: PATCH /orgs/{org}/hooks/{hook_id}.
        """
        body = {"active": active, "events": list(events)}
        return self._one("PATCH", _hooks(owner, hook_id), _webhook, json=body)

    def delete_organization_hook(self, owner: Owner, hook_id: int) -> Answer[None]:
        """Delete a hook.

        orgs/delete-webhook: DELETE /orgs/{org}/hooks/{hook_id}.
        """
        return self._one("DELETE", _hooks(owner, hook_id), _nothing)

    def update_organization_hook_config(
        self, owner: Owner, hook_id: int, url: str, secret: str
    ) -> Answer[WebhookConfig]:
        """Change address and secret alone; a whole update would drop a secret that is left out.

        orgs/update-webhook-config-for-org: PATCH /orgs/{org}/hooks/{hook_id}/config.
        """
        return self._one(
            "PATCH", _hooks(owner, hook_id, "config"), _config, json=_new_config(url, secret)
        )

    def ping_organization_hook(self, owner: Owner, hook_id: int) -> Answer[None]:
        """Have GitHub send a `ping`.

        orgs/ping-webhook: POST /orgs/{org}/hooks/{hook_id}/pings.
        """
        return self._one("POST", _hooks(owner, hook_id, "pings"), _nothing, success=204)

    def list_organization_hook_deliveries(
        self, owner: Owner, hook_id: int, *, per_page: int = 100
    ) -> Iterator[Page[WebhookDelivery]]:
        """The log of a hook, newest attempt first.

        orgs/list-webhook-deliveries: GET /orgs/{org}/hooks/{hook_id}/deliveries.
        """
        path = _hooks(owner, hook_id, "deliveries")
        return self._pages(path, None, _delivery, none_known, per_page=per_page)

    def get_organization_hook_delivery(
        self, owner: Owner, hook_id: int, delivery_id: int
    ) -> Answer[WebhookDelivery]:
        """One attempt with its payload.

        orgs/get-webhook-delivery: GET /orgs/{org}/hooks/{hook_id}/deliveries/{delivery_id}.
        """
        return self._one("GET", _hooks(owner, hook_id, "deliveries", delivery_id), _delivery)

    def redeliver_organization_hook_delivery(
        self, owner: Owner, hook_id: int, delivery_id: int
    ) -> Answer[None]:
        """Have GitHub deliver again, under the same GUID (202).

        orgs/redeliver-webhook-delivery: POST
        /orgs/{org}/hooks/{hook_id}/deliveries/{delivery_id}/attempts.
        """
        path = _hooks(owner, hook_id, "deliveries", delivery_id, "attempts")
        return self._one("POST", path, _nothing, success=202)


class AppWebhookCalls(Caller):
    """The same for the one hook of a GitHub App; all of these need `AppAuth`."""

    def get_app_hook_config(self) -> Answer[WebhookConfig]:
        """Where the App's hook posts.

        apps/get-webhook-config-for-app: GET /app/hook/config.
        """
        return self._one("GET", "/app/hook/config", _config)

    def update_app_hook_config(self, url: str, secret: str) -> Answer[WebhookConfig]:
        """Let the App's hook post there, as JSON, signed with the secret, for all its
        installations.

        apps/update-webhook-config-for-app: PATCH /app/hook/config.
        """
        return self._one("PATCH", "/app/hook/config", _config, json=_new_config(url, secret))

    def list_app_hook_deliveries(self, *, per_page: int = 100) -> Iterator[Page[WebhookDelivery]]:
        """The log of the App's hook, newest attempt first.

        apps/list-webhook-deliveries: GET /app/hook/deliveries.
        """
        return self._pages("/app/hook/deliveries", None, _delivery, none_known, per_page=per_page)

    def get_app_hook_delivery(self, delivery_id: int) -> Answer[WebhookDelivery]:
        """One attempt with its payload.

        apps/get-webhook-delivery: GET /app/hook/deliveries/{delivery_id}.
        """
        return self._one("GET", f"/app/hook/deliveries/{delivery_id}", _delivery)

    def redeliver_app_hook_delivery(self, delivery_id: int) -> Answer[None]:
        """Have GitHub deliver again, under the same GUID (202).

        apps/redeliver-webhook-delivery: POST /app/hook/deliveries/{delivery_id}/attempts.
        """
        path = f"/app/hook/deliveries/{delivery_id}/attempts"
        return self._one("POST", path, _nothing, success=202)


def _hooks(owner: Owner, *segments: str | int) -> str:
    """ValueError for an enterprise: its hooks can be made on GitHub's pages alone."""
    if owner.kind != "organization":
        raise ValueError("Only an organization's hooks can be asked for")
    return "/".join([f"{owner.path}/hooks", *map(str, segments)])


def _new_config(url: str, secret: str) -> dict[str, str]:
    return {"url": url, "content_type": "json", "secret": secret, "insecure_ssl": "0"}


def _webhook(value: object) -> Webhook:
    hook = values.must_be_object(value)
    return Webhook(
        id=values.identity(hook.get("id")),
        active=values.flag(hook.get("active")),
        events=tuple(values.text(event) for event in values.items(hook.get("events"))),
        url=values.text(values.mapping(hook.get("config")).get("url")),
    )


def _config(value: object) -> WebhookConfig:
    config = values.must_be_object(value)
    return WebhookConfig(values.text(config.get("url")), values.text(config.get("content_type")))


def _delivery(value: object) -> WebhookDelivery:
    delivery = values.must_be_object(value)
    payload = values.mapping(delivery.get("request")).get("payload")
    return WebhookDelivery(
        id=values.identity(delivery.get("id")),
        guid=values.text(delivery.get("guid")),
        delivered_at=values.moment(delivery.get("delivered_at")),
        redelivery=values.flag(delivery.get("redelivery")),
        status=values.text(delivery.get("status")),
        status_code=values.count(delivery.get("status_code")),
        event=values.text(delivery.get("event")),
        action=values.text(delivery.get("action")),
        throttled_at=values.moment(delivery.get("throttled_at")),
        payload=payload if values.is_object(payload) else None,
    )


def _nothing(payload: object) -> None:
    """Whatever GitHub answers tells nothing more than its status did."""
