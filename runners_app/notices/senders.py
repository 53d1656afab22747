"""Send a message to Slack, Teams, Discord, a webhook or a mail server, each in its own spelling.

Titles hold names that others chose. What a service would take for markup, mentions or links of its
own is escaped, so that a name is shown as it is; only our own links are links.
"""

import re
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any

import requests
from django.conf import settings

from runners_app.notices.addresses import DISCORD, HOSTS, MAIL, SLACK, TEAMS, Target
from runners_app.notices.words import Message
from runners_app.security.outgoing import NotReached, open_mail, open_session

SECONDS = 10.0
DISCORD_LONGEST = 2000
DISCORD_MARKUP = re.compile(r"([\\`*_~|>#\[\]()<@:\-+.])")
NO_EMBEDS = 4


class NotDelivered(Exception):
    """The message did not arrive. Says why, without the address."""


def send(target: Target, message: Message) -> None:
    """Send a message. Raises NotDelivered."""
    if target.kind == MAIL:
        _send_mail(target, message.title, message.body)
        return
    bodies = {SLACK: for_slack, TEAMS: for_teams, DISCORD: for_discord}
    if target.kind in bodies:
        _post(target, bodies[target.kind](message.title, message.body))
    else:
        _post(target, for_webhook(message))


def for_webhook(message: Message) -> dict[str, Any]:
    """The fields of version 0.1, then ours. The receiver escapes for where it shows them."""
    said = {"version": "1.0", "title": message.title, "message": message.body, "type": "info"}
    return {**said, "url": message.url, "severity": message.severity, **message.facts}


def for_slack(title: str, body: str) -> dict[str, Any]:
    """Slack asks for these three to be escaped; without `<` there is no mention and no named link.

    https://docs.slack.dev/messaging/formatting-message-text
    """
    words = f"{title}\n{body}".replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return {"text": words, "mrkdwn": False, "link_names": False, "unfurl_links": False}


def for_teams(title: str, body: str) -> dict[str, Any]:
    """An adaptive card of text runs, in which Teams reads no Markdown."""
    lines = [_text_run(line) for line in body.splitlines()]
    heading = {"type": "TextRun", "text": title, "weight": "Bolder"}
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [{"type": "RichTextBlock", "inlines": [inline]} for inline in (heading, *lines)],
    }
    content = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return {"type": "message", "attachments": [content]}


def _text_run(line: str) -> dict[str, Any]:
    run: dict[str, Any] = {"type": "TextRun", "text": line}
    if is_own_link(line):
        run["selectAction"] = {"type": "Action.OpenUrl", "url": line.strip()}
    return run


def for_discord(title: str, body: str) -> dict[str, Any]:
    """Markdown is escaped, and `allowed_mentions` lets nobody be notified."""
    lines = [
        line if is_own_link(line) else DISCORD_MARKUP.sub(r"\\\1", line)
        for line in (title, *body.splitlines())
    ]
    return {
        "content": "\n".join(lines)[:DISCORD_LONGEST],
        "allowed_mentions": {"parse": []},
        "flags": NO_EMBEDS,
    }


def is_own_link(line: str) -> bool:
    """Whether a line is a link to Trackside, which `notices` puts on a line of its own."""
    start = f"  {settings.PUBLIC_URL}/"
    return bool(settings.PUBLIC_URL) and line.startswith(start) and " " not in line.strip()


def _post(target: Target, message: dict[str, Any]) -> None:
    auth = (target.user, target.password) if target.user else None
    try:
        with open_session(known_hosts=HOSTS) as session:
            answer = session.post(
                target.url,
                json=message,
                headers=target.headers,
                auth=auth,
                timeout=SECONDS,
                allow_redirects=False,  # could lead to a host that nobody entered
                stream=True,  # what it answers is not read
            )
            answer.close()
    except NotReached as error:
        raise NotDelivered(str(error)) from None
    except (requests.RequestException, ValueError, OSError) as error:
        raise NotDelivered(f"It could not be reached ({type(error).__name__}).") from None
    if not 200 <= answer.status_code < 300:
        raise NotDelivered(f"It answered {answer.status_code}.")


def _send_mail(target: Target, title: str, body: str) -> None:
    context = ssl.create_default_context()
    if settings.GITHUB_CA_FILE:
        context.load_verify_locations(settings.GITHUB_CA_FILE)
    at_once = context if target.security == "ssl" else None
    try:
        message = _mail(target, title, body)
        with open_mail(target.host, target.port, SECONDS, ssl_context=at_once) as server:
            if target.security == "starttls":
                server.starttls(context=context)
            if target.password:
                server.login(target.user, target.password)
            server.send_message(message, to_addrs=target.recipients)
    except NotReached as error:
        raise NotDelivered(str(error)) from None
    except OSError as error:  # smtplib's errors are among them
        refused = "refused it" if isinstance(error, smtplib.SMTPException) else "failed"
        raise NotDelivered(f"The mail server {refused} ({type(error).__name__}).") from None
    except ValueError as error:
        raise NotDelivered(
            f"It could not be sent as mail ({type(error).__name__}). Enter the address again."
        ) from None


def _mail(target: Target, title: str, body: str) -> EmailMessage:
    """Raises ValueError for addresses that no header can hold."""
    message = EmailMessage()
    message["Subject"] = " ".join(title.split())
    message["From"] = target.sender or settings.DEFAULT_FROM_EMAIL
    message["To"] = ", ".join(target.recipients)
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain="trackside")
    message.set_content(body)
    return message
