"""Sending one message to one channel. Only from a worker. What goes wrong is said without the address."""

import logging
import re
from ipaddress import ip_address
from socket import getaddrinfo
from urllib.parse import urlsplit

import apprise
from django.conf import settings
from django.core.mail import EmailMessage

from runners_app.models import Channel
from runners_app.redaction import hide_address
from runners_app.services.secrets import SecretUnreadable, unseal

# What an address may begin with. Others of apprise's would run programs or write files here.
SCHEMES = {
    "mailto": "Mail", "mailtos": "Mail", "slack": "Slack", "msteams": "Teams", "workflow": "Teams",
    "workflows": "Teams", "json": "Webhook", "jsons": "Webhook",
}  # fmt: skip
SEALED_FOR = ""
STATUS = re.compile(r"error=(\d{3})")
logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its lines name addresses


class NotDelivered(Exception):
    """The message did not arrive; the words say what is known, without the address."""


class UnusableAddress(ValueError):
    """No channel can be made of it; the message says why."""


def check_address(address: str) -> str:
    """Its scheme. Raises UnusableAddress, without the address."""
    scheme = urlsplit(address.strip()).scheme.lower() if "://" in address else ""
    if scheme not in SCHEMES:
        raise UnusableAddress(f"It must begin with one of: {', '.join(f'{name}://' for name in SCHEMES)}.")
    if apprise.Apprise.instantiate(address.strip(), suppress_exceptions=True) is None:
        raise UnusableAddress("This address is not complete: see the examples on the right.")
    return scheme


def deliver(channel: Channel, title: str, body: str) -> None:
    """Raises NotDelivered."""
    if channel.owner is not None:
        _mail(channel.owner.email, title, body)
        return
    try:
        address = unseal(channel.sealed_address, uid=channel.uid, api_url=SEALED_FOR)
    except SecretUnreadable as error:
        raise NotDelivered(str(error)) from None
    _notify(address, title, body)


def _mail(to: str, title: str, body: str) -> None:
    if not settings.MAIL_IS_SET_UP:
        raise NotDelivered("No mail server is set up: whoever runs Trackside sets EMAIL_URL.")
    if not to:
        raise NotDelivered("This person has no e-mail address.")
    try:
        EmailMessage(title, body, to=[to]).send()
    except OSError as error:  # smtplib's errors are among them
        raise NotDelivered(f"The mail server did not take it ({type(error).__name__}).") from None


def _check_host(address: str) -> None:
    """Raises NotDelivered for a webhook that leads to where clouds keep the secrets of their machines.

    Other private addresses are fine: that is where a company's own webhooks are.
    """
    parts = urlsplit(address)
    if not parts.scheme.startswith("json") or not parts.hostname:
        return
    try:
        found = {ip_address(str(each[4][0]).partition("%")[0]) for each in getaddrinfo(parts.hostname, None)}
    except (OSError, ValueError):
        return  # it will not be reached
    if any((each.ipv4_mapped or each if each.version == 6 else each).is_link_local for each in found):
        raise NotDelivered("It leads to a link-local address, where Trackside sends nothing.")


def _notify(address: str, title: str, body: str) -> None:
    hide_address(address)
    target = apprise.Apprise()
    if not target.add(address):
        raise NotDelivered("The address is not usable any more. Enter it again.")
    _check_host(address)
    for server in target:
        server.redirects = False  # what was checked is what is called
    with apprise.LogCapture(level=logging.WARNING) as captured:  # type: ignore[no-untyped-call]
        arrived = target.notify(title=title, body=body)
        said = captured.getvalue()
    if not arrived:
        status = STATUS.search(said)
        raise NotDelivered(
            f"It answered {status[1]}." if status else "It could not be reached, or refused the message."
        )
