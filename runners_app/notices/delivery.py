"""Send one message to one channel. Only workers do. Errors never contain the channel's address."""

from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage, get_connection

from runners_app.models import Channel
from runners_app.notices.addresses import UnusableAddress, read_address
from runners_app.notices.senders import NotDelivered, send
from runners_app.notices.words import Message
from runners_app.security.redaction import hide_address
from runners_app.security.secrets import SecretUnreadable, unseal

SEALED_FOR = ""


def check_address(address: str) -> str:
    """The scheme to list a channel with this address under. Raises UnusableAddress."""
    target = read_address(address)
    scheme = urlsplit(address.strip()).scheme.lower()
    return target.kind if scheme == "https" else scheme


def deliver(channel: Channel, message: Message) -> None:
    """Send a message to a channel: mail to a user's own mailbox, else to the shared address.

    Raises NotDelivered.
    """
    if channel.owner is not None:
        _mail(channel.owner.email, message.title, message.body)
        return
    try:
        address = unseal(channel.sealed_address, uid=channel.uid, api_url=SEALED_FOR)
        hide_address(address)
        target = read_address(address)
    except SecretUnreadable as error:
        raise NotDelivered(str(error)) from None
    except UnusableAddress as error:
        raise NotDelivered(f"Its address is no longer usable. {error}") from None
    send(target, message)


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
