"""Where a channel's address leads, what is sent there, and what is never sent anywhere."""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from runners_app.github import ProxySettings
from runners_app.notices.addresses import UnusableAddress, read_address
from runners_app.notices.senders import NotDelivered, for_discord, for_slack, for_teams, send
from runners_app.notices.words import Message
from runners_app.security.refused_addresses import is_refused
from tests.certificates import Authority
from tests.proxy_server import Proxy, proxy_server
from tests.sinks import Sink, mail_server, webhook

INVOKE = "workflows/abc/triggers/manual/paths/invoke"
SLACK = "https://hooks.slack.com/services/T0/B0/XX"
EVIL = "<!channel> <https://evil.example|GitHub> **b** [x](https://evil.example) @everyone"


@pytest.mark.parametrize(
    ("address", "kind", "url"),
    [
        (SLACK, "slack", SLACK),
        ("slack://T0/B0/XX", "slack", SLACK),
        ("slack://bot@T0/B0/XX/#ops", "slack", SLACK),
        ("https://discord.com/api/webhooks/1/a-b_c", "discord", None),
        (f"https://prod-1.westus.logic.azure.com:443/{INVOKE}?sig=x%2Fy&sv=1.0", "workflows", None),
        (f"https://x.1.environment.api.powerplatform.com/a/{INVOKE}?sig=x", "workflows", None),
        (f"workflows://h.example/{INVOKE}?sig=x", "workflows", f"https://h.example/{INVOKE}?sig=x"),
        (
            "workflows://h.example:443/abc/s%2Fg",
            "workflows",
            f"https://h.example:443/{INVOKE}"
            "?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=s%2Fg",
        ),
        ("jsons://h.example/a?b=c", "json", "https://h.example/a?b=c"),
        ("json://u:p@h.example:81/a?+X-Key=v", "json", "http://h.example:81/a"),
    ],
)
def test_an_address_leads_where_it_says(address: str, kind: str, url: str | None) -> None:
    target = read_address(address)
    assert (target.kind, target.url) == (kind, url or address)


def test_a_webhooks_address_may_have_a_user_and_headers() -> None:
    target = read_address("json://u:p%40@h.example/?+X-Key=a%20b")
    assert (target.user, target.password) == ("u", "p@")
    assert target.headers == {"X-Key": "a b"}


@pytest.mark.parametrize(
    "address",
    [
        "jsons://h.example/?verify=no",
        "jsons://h.example/?Verify=false",
        "mailtos://u:p@h.example?to=a@example.com&verify=no",
        "https://evil.example/services/T0/B0/XX",
        "https://hooks.slack.com.evil.example/services/T0/B0/XX",
        "https://hooks.slack.com@evil.example/services/T0/B0/XX",
        "https://hooks.slack.com/services/T0",
        "https://discord.com/channels/1",
        "http://hooks.slack.com/services/T0/B0/XX",
        "mailto://h.example",
        "mailto://u@h.example?to=nobody",
        "exec://rm",
    ],
)
def test_other_addresses_are_refused(address: str) -> None:
    with pytest.raises(UnusableAddress):
        read_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "192.0.0.192",
        "100.100.100.200",
        "168.63.129.16",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "::ffff:169.254.169.254",
        "::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a9fe:a9fe",
        "64:ff9b:1:a9fe:a9:fe00::",
        "2001:0:a9fe:a9fe::1",
        "2001:0:1:1:0:0:5601:5601",
        "fd00::5efe:a9fe:a9fe",
    ],
)
def test_nothing_goes_to_metadata_services_however_they_are_spelled(address: str) -> None:
    assert is_refused(address)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.1", "::1", "fd00::1", "140.82.112.3", "2606:50c0::1"]
)
def test_private_and_public_addresses_are_allowed(address: str) -> None:
    assert not is_refused(address)


def test_a_name_is_shown_as_it_is_and_mentions_and_links_nothing(settings: Settings) -> None:
    settings.PUBLIC_URL = "https://trackside.example"
    body = f"{EVIL}\n  https://trackside.example/runners/1/"
    slack = for_slack(EVIL, body)["text"]
    assert "<" not in slack
    assert "&lt;!channel&gt; &lt;https://evil.example|GitHub&gt;" in slack

    discord = for_discord(EVIL, body)
    assert discord["allowed_mentions"] == {"parse": []}
    title, _, link = discord["content"].split("\n")
    assert title.startswith(r"\<!channel\> \<https\://evil\.example\|GitHub\> \*\*b\*\* \[x\]\(")
    assert link == "  https://trackside.example/runners/1/"

    blocks = for_teams(EVIL, body)["attachments"][0]["content"]["body"]
    runs = [block["inlines"][0] for block in blocks]
    assert {run["type"] for run in runs} == {"TextRun"}
    assert [run["text"] for run in runs[:2]] == [EVIL, EVIL]
    assert [run.get("selectAction", {}).get("url") for run in runs] == [
        None,
        None,
        "https://trackside.example/runners/1/",
    ]


@pytest.fixture
def hook() -> Iterator[Sink]:
    with webhook() as sink:
        yield sink


def _answering(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Names are looked up in this order; what was asked for."""
    asked, left = list[str](), list(answers)

    def look_up(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in left.pop(0)
        ]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


def test_a_name_is_looked_up_once_so_that_it_cannot_lead_elsewhere_afterwards(
    hook: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = _answering(monkeypatch, ["127.0.0.1"], ["169.254.169.254"])
    send(read_address(f"json://rebinds.example:{hook.port}/"), Message("a title", "a body"))
    assert asked == ["rebinds.example"]
    assert hook.messages[0]["title"] == "a title"


def test_a_name_with_one_refused_address_among_others_gets_nothing(
    hook: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    _answering(monkeypatch, ["127.0.0.1", "169.254.169.254"])
    with pytest.raises(NotDelivered, match="link-local or metadata"):
        send(read_address(f"json://both.example:{hook.port}/"), Message("a title", "a body"))
    assert hook.messages == []


def test_with_a_list_of_hosts_nothing_goes_to_others(hook: Sink, settings: Settings) -> None:
    settings.NOTICE_HOSTS = ["example.com"]
    with pytest.raises(NotDelivered, match="NOTICE_HOSTS"):
        send(read_address(f"json://127.0.0.1:{hook.port}/"), Message("a title", "a body"))
    settings.NOTICE_HOSTS = ["127.0.0.1"]
    send(read_address(f"json://127.0.0.1:{hook.port}/"), Message("a title", "a body"))
    assert len(hook.messages) == 1


def test_a_mail_channel_sends_to_its_recipients() -> None:
    with mail_server() as server:
        address = f"mailto://127.0.0.1:{server.port}?from=ops@example.com&to=a@example.com"
        send(read_address(address), Message("a title\r\nBcc: x@example.com", "a body"))
    (message,) = server.messages
    head, _, text = message.partition("\r\n\r\n")
    assert "To: a@example.com" in head
    assert "From: ops@example.com" in head
    assert "Subject: a title Bcc: x@example.com" in head
    assert text.strip() == "a body"


@pytest.fixture
def proxy(settings: Settings, tmp_path: Path, hook: Sink) -> Iterator[Proxy]:
    """The only way out, which inspects TLS and leads every host to the sink."""
    authority = Authority(tmp_path)

    def shown_for(host: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.issue(host))
        return context

    with proxy_server() as serving:
        serving.inspect = shown_for
        for host in ("hooks.slack.com", "inside.example.test"):
            serving.hosts[f"{host}:443"] = hook.port
        settings.OUTGOING_PROXY = ProxySettings(serving.url)
        settings.GITHUB_CA_FILE = str(authority.file)
        yield serving


def test_behind_a_proxy_the_known_services_are_reached_and_others_once_they_are_named(
    proxy: Proxy, hook: Sink, settings: Settings
) -> None:
    send(read_address(SLACK), Message("a title", "a body"))
    assert hook.messages[0]["text"] == "a title\na body"
    inside = read_address("jsons://inside.example.test/hook")
    with pytest.raises(NotDelivered, match="NOTICE_HOSTS"):
        send(inside, Message("a title", "a body"))
    settings.NOTICE_HOSTS = ["example.test"]
    send(inside, Message("a title", "a body"))
    assert hook.messages[1]["title"] == "a title"
    with pytest.raises(NotDelivered, match="NOTICE_HOSTS"):
        send(read_address(SLACK), Message("a title", "a body"))
