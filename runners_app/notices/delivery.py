"""Sending one message to one channel. Only from a worker. What goes wrong is said without the
address.
"""

import logging
import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from socket import getaddrinfo
from urllib.parse import urlsplit

import apprise
from django.conf import settings
from django.core.mail import EmailMessage, get_connection

from runners_app.models import Channel
from runners_app.security.redaction import hide_address
from runners_app.security.secrets import SecretUnreadable, unseal

# What an address may begin with. Others of apprise's would run programs or write files here.
SCHEMES = {
    "mailto": "Mail",
    "mailtos": "Mail",
    "slack": "Slack",
    "workflow": "Teams",
    "workflows": "Teams",
    "json": "Webhook",
    "jsons": "Webhook",
}
FIXED_HOST = ("Slack",)  # what stands in its address is part of the secret, and no host
# Where clouds tell their machines who they are and give them keys. The others are link-local, as of
# AWS, Azure, Google.
METADATA = tuple(
    map(
        ip_network,
        (
            "fd00:ec2::/32",  # AWS over IPv6
            "fd20:ce::254/128",  # Google Cloud over IPv6
            "100.100.100.200/32",  # Alibaba Cloud
            "168.63.129.16/32",  # Azure's second one
        ),
    )
)
NAT64 = ip_network("64:ff9b::/96")  # an IPv4 address is its last four bytes
SEALED_FOR = ""
STATUS = re.compile(r"error=(\d{3})")
logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its lines name addresses


class NotDelivered(Exception):
    """The message did not arrive; the words say what is known, without the address."""


class UnusableAddress(ValueError):
    """No channel can be made of it; the message says why."""


def check_address(address: str) -> str:
    """Its scheme. Raises UnusableAddress, without the address."""
    try:
        scheme = urlsplit(address.strip()).scheme.lower() if "://" in address else ""
    except ValueError:
        raise UnusableAddress(
            "Its host is neither a name nor an IP address. One of IPv6 stands in brackets: json://[2001:db8::1]/path."
        ) from None
    if scheme not in SCHEMES:
        raise UnusableAddress(
            f"It must begin with one of: {', '.join(f'{name}://' for name in SCHEMES)}."
        )
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
        with get_connection() as connection:  # hangs up also when signing in failed
            EmailMessage(title, body, to=[to], connection=connection).send()
    except OSError as error:  # smtplib's errors are among them
        raise NotDelivered(f"The mail server did not take it ({type(error).__name__}).") from None
    except ValueError as error:  # an address that is none, or a password that SMTP cannot carry
        raise NotDelivered(
            f"It could not be sent as mail ({type(error).__name__}): see EMAIL_URL, EMAIL_FROM and who it is to."
        ) from None


def _check_host(server: apprise.NotifyBase) -> None:
    """Raises NotDelivered for a host that is where clouds keep the secrets of their machines.

    Other private addresses are fine: that is where a company's own webhooks are.
    """
    host = str(getattr(server, "smtp_host", "") or server.host or "").strip("[]")
    if not host or server.service_name in FIXED_HOST:
        return
    try:
        found = {ip_address(str(each[4][0]).partition("%")[0]) for each in getaddrinfo(host, None)}
    except OSError:
        return  # it will not be reached
    except ValueError:
        raise NotDelivered(
            "Its host is no name that can be looked up. Enter the address again."
        ) from None
    if any(map(_is_refused, found)):
        raise NotDelivered(
            "It leads to a link-local or metadata address, where Trackside sends nothing."
        )


def _is_refused(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address):
        inner = IPv4Address(int(address) & 0xFFFFFFFF) if address in NAT64 else address.ipv4_mapped
        address = inner or address
    return address.is_link_local or any(address in network for network in METADATA)


def _notify(address: str, title: str, body: str) -> None:
    hide_address(address)
    target = apprise.Apprise()
    if not target.add(address):
        raise NotDelivered("The address is not usable any more. Enter it again.")
    for server in target:
        _check_host(server)
        server.redirects = False  # what was checked is what is called
    with apprise.LogCapture(level=logging.WARNING) as captured:  # type: ignore[no-untyped-call]
        arrived = target.notify(title=title, body=body)
        said = captured.getvalue()
    if not arrived:
        status = STATUS.search(said)
        raise NotDelivered(
            f"It answered {status[1]}."
            if status
            else "It could not be reached, or refused the message."
        )
