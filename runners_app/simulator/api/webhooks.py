"""Webhooks of organizations and of the App, with the logs of their deliveries."""

from typing import Any

from runners_app.simulator.api.call import Call
from runners_app.simulator.api.wire import (
    Body,
    Response,
    json_object,
    not_found,
    page_of,
    problem,
    validation_failed,
)
from runners_app.simulator.world.hooks import APP, Delivery, hook_key
from runners_app.simulator.world.lifecycle import timestamp
from runners_app.simulator.world.state import Webhook

DOCS = "/orgs/webhooks"


def list_webhooks(call: Call) -> Response:
    page, headers = page_of(call.request, list(call.account.webhooks.values()))
    return Response(200, [_describe(call, hook) for hook in page], headers)


def create_webhook(call: Call) -> Response:
    wanted = json_object(call.request)
    config = wanted.get("config")
    if wanted.get("name") != "web" or not isinstance(config, dict) or not config.get("url"):
        raise validation_failed([problem("Hook", "url", "missing_field")], DOCS)
    if any(hook.url == config["url"] for hook in call.account.webhooks.values()):
        message = "Hook already exists on this organization"
        raise validation_failed([problem("Hook", "url", "custom", message)], DOCS)
    hook = Webhook(
        id=call.account.next_id("webhook"),
        url=str(config["url"]),
        secret=str(config.get("secret", "")),
        events=[str(event) for event in wanted.get("events", ["push"])],
        created_on=call.wall,
        active=bool(wanted.get("active", True)),
        content_type=str(config.get("content_type", "form")),
    )
    call.account.webhooks[hook.id] = hook
    call.courier.ping(call.account.key, hook)
    return Response(201, _describe(call, hook))


def get_webhook(call: Call) -> Response:
    return Response(200, _describe(call, _hook(call)))


def update_webhook(call: Call) -> Response:
    """A new config replaces the old one whole: a secret that is left out is gone."""
    hook, wanted = _hook(call), json_object(call.request)
    hook.active = bool(wanted.get("active", hook.active))
    hook.events = [str(event) for event in wanted.get("events", hook.events)]
    if isinstance(config := wanted.get("config"), dict):
        hook.url = str(config.get("url", hook.url))
        hook.secret = str(config.get("secret", ""))
        hook.content_type = str(config.get("content_type", "form"))
    return Response(200, _describe(call, hook))


def delete_webhook(call: Call) -> Response:
    del call.account.webhooks[_hook(call).id]
    return Response(204)


def get_config(call: Call) -> Response:
    return Response(200, _config(_hook(call)))


def update_config(call: Call) -> Response:
    return Response(200, _config(_change_config(_hook(call), call)))


def ping_webhook(call: Call) -> Response:
    call.courier.ping(call.account.key, _hook(call))
    return Response(204)


def list_deliveries(call: Call) -> Response:
    return _deliveries(call, hook_key(call.account.key, _hook(call).id))


def get_delivery(call: Call) -> Response:
    delivery = _delivery(call, hook_key(call.account.key, _hook(call).id))
    return Response(200, _describe_delivery(delivery, whole=True))


def redeliver(call: Call) -> Response:
    hook = _hook(call)
    key = hook_key(call.account.key, hook.id)
    call.courier.redeliver(key, hook, _delivery(call, key))
    return Response(202, {})


def get_app_config(call: Call) -> Response:
    return Response(200, _config(_app_hook(call)))


def update_app_config(call: Call) -> Response:
    return Response(200, _config(_change_config(_app_hook(call), call)))


def list_app_deliveries(call: Call) -> Response:
    return _deliveries(call, APP)


def get_app_delivery(call: Call) -> Response:
    return Response(200, _describe_delivery(_delivery(call, APP), whole=True))


def redeliver_app(call: Call) -> Response:
    call.courier.redeliver(APP, _app_hook(call), _delivery(call, APP))
    return Response(202, {})


def _hook(call: Call) -> Webhook:
    hook = call.account.webhooks.get(int(call.params["hook_id"]))
    if hook is None:
        raise not_found(DOCS)
    return hook


def _app_hook(call: Call) -> Webhook:
    app = call.world.app
    app.webhook = app.webhook or Webhook(0, "", "", ["workflow_job"], call.wall)
    return app.webhook


def _change_config(hook: Webhook, call: Call) -> Webhook:
    wanted = json_object(call.request)
    hook.url = str(wanted.get("url", hook.url))
    hook.secret = str(wanted.get("secret", hook.secret))
    hook.content_type = str(wanted.get("content_type", hook.content_type))
    return hook


def _deliveries(call: Call, key: str) -> Response:
    """Newest first, by a cursor in the Link header."""
    query = call.request.query
    found = [
        delivery
        for delivery in reversed(call.courier.log.attempts.get(key, []))
        if query.get("cursor") is None or delivery.id < int(query["cursor"])
    ]
    if query.get("status") == "failure":
        found = [each for each in found if 400 <= each.status_code < 600]
    per_page = min(int(query.get("per_page", "30")), 100)
    page, headers = found[:per_page], {}
    if len(found) > per_page:
        url = f"{call.url(call.request.path)}?per_page={per_page}&cursor={page[-1].id}"
        headers["Link"] = f'<{url}>; rel="next"'
    return Response(200, [_describe_delivery(delivery) for delivery in page], headers)


def _delivery(call: Call, key: str) -> Delivery:
    wanted = int(call.params["delivery_id"])
    attempts: list[Delivery] = call.courier.log.attempts.get(key, [])
    for delivery in attempts:
        if delivery.id == wanted:
            return delivery
    raise not_found(DOCS)


def _describe(call: Call, hook: Webhook) -> Body:
    own = call.url(f"{call.account_path()}/hooks/{hook.id}")
    created = timestamp(hook.created_on)
    return {
        "id": hook.id,
        "url": own,
        "ping_url": f"{own}/pings",
        "deliveries_url": f"{own}/deliveries",
        "name": "web",
        "events": hook.events,
        "active": hook.active,
        "config": _config(hook),
        "updated_at": created,
        "created_at": created,
        "type": "Organization",
    }


def _config(hook: Webhook) -> Body:
    config: Body = {
        "url": hook.url,
        "content_type": hook.content_type,
        "insecure_ssl": "0",
    }
    return {**config, "secret": "********"} if hook.secret else config


def _describe_delivery(delivery: Delivery, *, whole: bool = False) -> Body:
    body: dict[str, Any] = {
        "id": delivery.id,
        "guid": delivery.guid,
        "delivered_at": timestamp(delivery.delivered_on),
        "redelivery": delivery.redelivery,
        "duration": delivery.duration,
        "status": delivery.status,
        "status_code": delivery.status_code,
        "event": delivery.event,
        "action": delivery.action or None,
        "installation_id": None,
        "repository_id": delivery.payload.get("repository", {}).get("id"),
        "throttled_at": None,
    }
    if whole:
        body["url"] = ""
        body["request"] = {"headers": {}, "payload": delivery.payload}
        body["response"] = {"headers": {}, "payload": ""}
    return body
