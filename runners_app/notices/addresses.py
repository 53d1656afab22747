"""What the address of a shared channel means: a kind of service, and where to send.

Slack's, Teams' and Discord's own addresses are taken as pasted. The other forms, `slack://`,
`workflows://`, `json(s)://` and `mailto(s)://`, are those that version 0.1 stored.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

SLACK, TEAMS, DISCORD, WEBHOOK, MAIL = "slack", "workflows", "discord", "json", "mailto"
KINDS = {
    "discord": DISCORD,
    "json": WEBHOOK,
    "jsons": WEBHOOK,
    "mailto": MAIL,
    "mailtos": MAIL,
    "slack": SLACK,
    "workflow": TEAMS,
    "workflows": TEAMS,
}
LABELS = {
    SLACK: "Slack",
    TEAMS: "Teams",
    DISCORD: "Discord",
    WEBHOOK: "Webhook",
    "jsons": "Webhook",
    MAIL: "Mail",
    "mailtos": "Mail",
    "workflow": "Teams",
}
SLACK_HOST = "hooks.slack.com"
# Hosts of these services, with all beneath them.
HOSTS = {
    SLACK_HOST: SLACK,
    "hooks.slack-gov.com": SLACK,
    "discord.com": DISCORD,
    "discordapp.com": DISCORD,
    "logic.azure.com": TEAMS,
    "api.powerplatform.com": TEAMS,
    "webhook.office.com": TEAMS,
}
PATHS = {
    SLACK: re.compile(r"/services/[A-Za-z0-9]+/[A-Za-z0-9]+/[A-Za-z0-9]+/?"),
    DISCORD: re.compile(r"/api/(?:v\d+/)?webhooks/\d+/[A-Za-z0-9_-]+/?"),
    TEAMS: re.compile(r"/.*[A-Za-z0-9].*"),
}
INVOKE = "/triggers/manual/paths/invoke"
INCOMPLETE = "This address is incomplete. See the examples on this page."
NOT_VERIFIED = (
    "It asks not to verify the server's certificate, which Trackside always does. "
    "Take verify=… out of it."
)


class UnusableAddress(ValueError):
    """An address that no channel can use. Says why."""


@dataclass(frozen=True)
class Target:
    """Where a channel sends: an http(s) `url`, or a mail server."""

    kind: str
    url: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    user: str = ""
    password: str = ""
    host: str = ""
    port: int = 0
    security: str = ""  # of mail: "", "starttls" or "ssl"
    recipients: list[str] = field(default_factory=list)
    sender: str = ""


def read_address(address: str) -> Target:
    """What an address means. Raises UnusableAddress."""
    try:
        parts = urlsplit(address.strip())
        _ = parts.port, parts.hostname
    except ValueError:
        raise UnusableAddress(
            "Its host is neither a name nor an IP address. "
            "Write an IPv6 address in brackets: json://[2001:db8::1]/path."
        ) from None
    if any(name.lower() == "verify" for name, _ in parse_qsl(parts.query, keep_blank_values=True)):
        raise UnusableAddress(NOT_VERIFIED)
    if parts.scheme == "https":
        return _pasted(parts)
    readers = {SLACK: _slack, TEAMS: _teams, WEBHOOK: _webhook, MAIL: _mail}
    if (kind := KINDS.get(parts.scheme.lower(), "")) not in readers or "://" not in address:
        raise UnusableAddress(
            "It must be an https:// address of Slack, Teams or Discord, "
            "or start with one of: json://, jsons://, mailto://, mailtos://."
        )
    return readers[kind](parts)


def _pasted(parts: SplitResult) -> Target:
    host = (parts.hostname or "").lower()
    for known, kind in HOSTS.items():
        is_there = f".{host}".endswith(f".{known}")
        if is_there and PATHS[kind].fullmatch(parts.path) and not parts.username:
            return Target(kind, parts.geturl())
        if is_there:
            raise UnusableAddress(INCOMPLETE)
    raise UnusableAddress(
        "This is no address of Slack, Teams or Discord. "
        "For a webhook of your own write jsons:// instead of https://."
    )


def _slack(parts: SplitResult) -> Target:
    """slack://T000/B000/XXXX, whose host is the first part of the secret."""
    netloc = parts.netloc.rpartition("@")[2]
    tokens = [each for each in (netloc, *parts.path.split("/")) if each][:3]
    path = f"/services/{'/'.join(tokens)}"
    if not PATHS[SLACK].fullmatch(path):
        raise UnusableAddress(INCOMPLETE)
    return Target(SLACK, f"https://{SLACK_HOST}{path}")


def _teams(parts: SplitResult) -> Target:
    """A workflow's address with workflows:// before it, or workflows://HOST/WORKFLOW/SIGNATURE."""
    if not parts.hostname:
        raise UnusableAddress(INCOMPLETE)
    if INVOKE in parts.path:
        return Target(TEAMS, parts._replace(scheme="https").geturl())
    names = [each for each in parts.path.split("/") if each]
    if len(names) < 2:
        raise UnusableAddress(INCOMPLETE)
    query = urlencode(
        {
            "api-version": "2016-06-01",
            "sp": "/triggers/manual/run",
            "sv": "1.0",
            "sig": unquote(names[1]),
        }
    )
    return Target(TEAMS, f"https://{parts.netloc}/workflows/{names[0]}{INVOKE}?{query}")


def _webhook(parts: SplitResult) -> Target:
    """json(s)://user:password@HOST/PATH; `?+Name=value` is a header, as in version 0.1."""
    if not parts.hostname:
        raise UnusableAddress(INCOMPLETE)
    query, headers = [], {}
    for each in filter(None, parts.query.split("&")):
        name, _, value = each.partition("=")
        if name.startswith("+"):
            headers[unquote(name[1:])] = unquote(value)
        else:
            query.append(each)
    plain = parts._replace(
        scheme="https" if parts.scheme.lower() == "jsons" else "http",
        netloc=parts.netloc.rpartition("@")[2],
        query="&".join(query),
        fragment="",
    )
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return Target(WEBHOOK, plain.geturl(), headers, user, password)


def _mail(parts: SplitResult) -> Target:
    """mailto(s)://user:password@server?to=…; `smtp=` names a server other than the mailbox's."""
    given = dict(parse_qsl(parts.query))
    domain, user = parts.hostname or "", unquote(parts.username or "")
    own = user if "@" in user else f"{user}@{domain}"
    recipients = [each for each in re.split(r"[,;\s]+", given.get("to", "")) if each]
    security = {"ssl": "ssl", "insecure": ""}.get(given.get("mode", ""), "starttls")
    if parts.scheme.lower() == "mailto" and "mode" not in given:
        security = ""
    ports = {"ssl": 465, "starttls": 587, "": 25}
    target = Target(
        MAIL,
        user=user,
        password=unquote(parts.password or ""),
        host=given.get("smtp", domain),
        port=parts.port or ports[security],
        security=security,
        recipients=recipients or ([own] if user else []),
        sender=given.get("from", own if user else ""),
    )
    wrong = [each for each in (*target.recipients, target.sender) if each.count("@") != 1]
    if not target.host or not target.recipients or wrong:
        raise UnusableAddress(INCOMPLETE)
    return target
