"""Send one message to one channel. Only workers do. Errors never contain the channel's address."""

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

# The schemes allowed in an address. Others that apprise knows run programs or write files here.
SCHEMES = {
    "mailto": "Mail",
    "mailtos": "Mail",
    "slack": "Slack",
    "workflow": "Teams",
    "workflows": "Teams",
    "json": "Webhook",
    "jsons": "Webhook",
}
FIXED_HOST = ("Slack",)  # the host in its address is part of the secret and not a host

# Metadata services, from which cloud machines read their keys. Those of AWS, Azure and Google over
# IPv4 are link-local, so `is_link_local` covers them.
METADATA = tuple(
    map(
        ip_network,
        (
            "fd00:ec2::/32",  # AWS over IPv6
            "fd20:ce::254/128",  # Google Cloud over IPv6
            "100.100.100.200/32",  # Alibaba Cloud
            "168.63.129.16/32",  # Azure's wire server
        ),
    )
)
NAT64 = ip_network("64:ff9b::/96")  # its last four bytes are an IPv4 address
SEALED_FOR = ""
STATUS = re.compile(r"error=(\d{3})")
logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its log lines contain addresses


class NotDelivered(Exception):
    """The message did not arrive. Says why, without the address."""


class UnusableAddress(ValueError):
    """An address that no channel can use. Says why."""


def check_address(address: str) -> str:
    """The scheme of an address. Raises UnusableAddress."""
    try:
        scheme = urlsplit(address.strip()).scheme.lower() if "://" in address else ""
    except ValueError:
        raise UnusableAddress(
            "Its host is neither a name nor an IP address. "
            "Write an IPv6 address in brackets: json://[2001:db8::1]/path."
        ) from None
    if scheme not in SCHEMES:
        raise UnusableAddress(
            f"It must start with one of: {', '.join(f'{name}://' for name in SCHEMES)}."
        )
    if apprise.Apprise.instantiate(address.strip(), suppress_exceptions=True) is None:
        raise UnusableAddress("This address is incomplete. See the examples on this page.")
    return scheme


def deliver(channel: Channel, title: str, body: str) -> None:
    """Send a message to a channel: mail to a user's own mailbox, else to the shared address.

    Raises NotDelivered.
    """
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
        raise NotDelivered("No mail server is set up. Set EMAIL_URL.")
    if not to:
        raise NotDelivered("This user has no email address.")
    try:
        with get_connection() as connection:  # hangs up even if signing in fails
            EmailMessage(title, body, to=[to], connection=connection).send()
    except OSError as error:  # smtplib's errors are among them
        raise NotDelivered(f"The mail server refused it ({type(error).__name__}).") from None
    except ValueError as error:  # a malformed address, or a password that SMTP cannot carry
        raise NotDelivered(
            f"It could not be sent as mail ({type(error).__name__}). "
            "Check EMAIL_URL, EMAIL_FROM and the recipient's address."
        ) from None


def _check_host(server: apprise.NotifyBase) -> None:
    """Raises NotDelivered for a host with a link-local or metadata address.

    Other private addresses are allowed, because a company's own webhooks have them.
    """
    host = str(getattr(server, "smtp_host", "") or server.host or "").strip("[]")
    if not host or server.service_name in FIXED_HOST:
        return
    try:
        answers = getaddrinfo(host, None)
    except OSError:
        return  # sending will fail for the same reason
    except ValueError:
        raise NotDelivered(
            "The name of its host cannot be looked up. Enter the address again."
        ) from None
    addresses = {ip_address(str(answer[4][0]).partition("%")[0]) for answer in answers}
    if any(map(_is_refused, addresses)):
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
        raise NotDelivered("The address is no longer usable. Enter it again.")
    for server in target:
        _check_host(server)
        server.redirects = False  # a redirect could lead to a host that was not checked
    with apprise.LogCapture(level=logging.WARNING) as captured:  # type: ignore[no-untyped-call]
        arrived = target.notify(title=title, body=body)
        lines = captured.getvalue()
    if not arrived:
        status = STATUS.search(lines)
        if status:
            raise NotDelivered(f"It answered {status[1]}.")
        raise NotDelivered("It could not be reached, or refused the message.")
