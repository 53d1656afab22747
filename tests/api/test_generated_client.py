"""A client that is generated from the OpenAPI document, and changes a runner with it."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.contrib.auth.models import User
from django.test import Client

from runners_app.models import Account, Runner
from tests.api.conftest import MakeToken
from tests.api.wsgi import app

PACKAGE = "trackside_client"
Call = Callable[..., Any]


@pytest.fixture
def call(client: Client, admin: User, make_token: MakeToken, tmp_path: Path) -> Iterator[Call]:
    """Calls a function of the generated client by its module; answers its `Response`."""
    document, config = tmp_path / "openapi.json", tmp_path / "config.yaml"
    document.write_bytes(client.get("/api/v1/openapi.json").content)
    config.write_text("post_hooks: []\n")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "openapi_python_client", "generate", "--fail-on-warning"),
            *("--path", document, "--config", config, "--meta", "none"),
            *("--output-path", tmp_path / PACKAGE),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr

    sys.path.insert(0, str(tmp_path))
    try:
        base_url = "http://testserver"
        generated = import_module(PACKAGE).AuthenticatedClient(base_url, token="unused")
        headers = {"Authorization": f"Bearer {make_token(admin)}"}
        transport = httpx.WSGITransport(app=app)
        with httpx.Client(base_url=base_url, headers=headers, transport=transport) as http:
            generated.set_httpx_client(http)

            def send(module: str, *arguments: object, **options: object) -> Any:
                function = import_module(f"{PACKAGE}.api.{module}")
                return function.sync_detailed(*arguments, client=generated, **options)

            yield send
    finally:
        sys.path.remove(str(tmp_path))
        for name in [each for each in sys.modules if each.partition(".")[0] == PACKAGE]:
            del sys.modules[name]


def test_a_generated_client_changes_a_runner(
    call: Call, acme: Account, work: Callable[[Account], None]
) -> None:
    (account,) = call("accounts.list_accounts").parsed.rows
    assert (account.pk, account.account) == (acme.pk, "organization:acme")
    page = call("runners.list_runners", q="status:ready", limit=2).parsed
    assert len(page.rows) == 2
    runner = page.rows[0]
    assert page.next_
    following = call("runners.list_runners", q="status:ready", limit=2, after=page.next_).parsed
    assert runner.pk not in {row.pk for row in following.rows}

    models = import_module(f"{PACKAGE}.models")
    change = models.RunnerChange(maximum_runners=77)
    headers = {"if_match": runner.settings_etag, "idempotency_key": "one"}
    preview = call("runners.update_runner", runner.pk, body=change, dry_run=True).parsed
    assert [(each.field, each.after) for each in preview.changes] == [("maximum_runners", 77)]
    answer = call("runners.update_runner", runner.pk, body=change, **headers)
    again = call("runners.update_runner", runner.pk, body=change, **headers)
    assert answer.status_code == again.status_code == 202
    assert answer.parsed.operation.id == again.parsed.operation.id

    work(acme)
    operation = call("operations.get_operation", answer.parsed.operation.id).parsed
    assert (operation.state, operation.is_finished) == ("confirmed", True)
    assert operation.wanted["maximum_runners"] == 77
    assert call("runners.get_runner", runner.pk).parsed.maximum_runners == 77
    assert Runner.objects.get(pk=runner.pk).maximum_runners == 77

    refused = call("runners.update_runner", runner.pk, body=change, if_match="another")
    assert isinstance(refused.parsed, models.Problem)
    assert (refused.status_code, refused.parsed.status) == (412, 412)
