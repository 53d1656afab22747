"""Headers of every answer, cookies over HTTPS, and Django's admin."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client

from runners_app.models import Account

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "path", ["/", "/runners/", "/accounts/", "/audit/export.csv", "/runners/export.json"]
)
def test_pages_of_a_session_may_not_be_stored_or_framed(as_admin: Client, path: str) -> None:
    headers = as_admin.get(path).headers
    assert headers["Cache-Control"] == "no-store"
    policy = headers["Content-Security-Policy"]
    for directive in (
        "default-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ):
        assert directive in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]


def test_cookies_cannot_be_read_by_scripts(client: Client, admin: User) -> None:
    answer = client.post("/sign-in/", {"username": "ada", "password": "a password for tests"})
    assert answer.status_code == 302
    assert set(answer.cookies) == {"sessionid", "csrftoken", "browser"}
    for cookie in answer.cookies.values():
        assert cookie["httponly"]
        assert cookie["samesite"] == "Lax"


def run(folder: Path, code: str, **environment: str) -> str:
    """Run Python with Trackside's settings on a new database. Returns its output."""
    return run_as_it_is(folder, "call_command('migrate', verbosity=0)\n" + code, **environment)


def run_as_it_is(folder: Path, code: str, **environment: str) -> str:
    """The same without creating the tables."""
    setup = "import django\ndjango.setup()\nfrom django.core.management import call_command\n"
    variables = {
        **os.environ,
        "TRACKSIDE_DATA_DIR": str(folder),
        "DJANGO_SETTINGS_MODULE": "dashboard.settings",
    }
    done = subprocess.run(
        [sys.executable, "-c", setup + code],
        cwd=ROOT,
        env={**variables, **environment},
        check=True,
        capture_output=True,
        text=True,
        timeout=100,
    )
    return done.stdout


OVER_HTTPS = """
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
plain = "django.contrib.staticfiles.storage.StaticFilesStorage"
settings.STORAGES = {"staticfiles": {"BACKEND": plain}}
User.objects.create_superuser("ada", password="a password for tests")
client = Client(headers={"X-Forwarded-Proto": "https"})
answer = client.post("/sign-in/", {"username": "ada", "password": "a password for tests"})
print(answer.cookies.output())
page = client.get("/")
print(page.status_code, page.headers["Strict-Transport-Security"])
plain = Client().get("/")
print(plain.status_code, plain.headers["Location"])
"""


def test_cookies_over_https_are_bound_to_this_host(tmp_path: Path) -> None:
    output = run(tmp_path, OVER_HTTPS, HTTPS="on", ALLOWED_HOSTS="testserver")
    for name in ("__Host-session", "__Host-csrf"):
        line = next(line for line in output.splitlines() if f"Set-Cookie: {name}=" in line)
        assert "Secure" in line
        assert "Path=/" in line
        assert "Domain" not in line
    assert "200 max-age=31536000; includeSubDomains; preload" in output
    assert "301 https://testserver/" in output


ADMIN = """
from uuid import uuid4
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from runners_app import models
from runners_app.admin import site
from runners_app.security.secrets import seal
plain = "django.contrib.staticfiles.storage.StaticFilesStorage"
settings.STORAGES = {"staticfiles": {"BACKEND": plain}}
User.objects.create_superuser("ada", password="a password for tests")
uid = uuid4()
row = models.Credential.objects.create(uid=uid, api_url="x", kind="classic", fingerprint="f" * 64,
    sealed_secret=seal("the secret", uid=uid, api_url="x"))
client = Client()
print("anonymous", client.get("/django-admin/", follow=True).redirect_chain[-1])
client.force_login(User.objects.get())
for model in site._registry:
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
    assert client.get(reverse(name)).status_code == 200, name
paths = (f"runners_app/credential/{row.pk}", "auth/user/1")
pages = [client.get(f"/django-admin/{path}/change/") for path in paths]
text = "".join(page.content.decode() for page in pages)
assert all(page.status_code == 200 for page in pages)
words = (row.sealed_secret, row.fingerprint, User.objects.get().password, "gAAAA", "hpke1")
print("secrets", [word for word in words if word in text])
delete = f"/django-admin/runners_app/credential/{row.pk}/delete/"
print("changes", client.post(delete, {"post": "yes"}).status_code)
for query in ("password__regex=%5Epbkdf2", "password__startswith=p", "memberships__role=viewer",
              "emailaddress__email__contains=a", "last_login__year=2026"):
    print("oracle", client.get(f"/django-admin/auth/user/?{query}").status_code)
print("listed", client.get("/django-admin/auth/user/?username=ada").status_code)
print("others", client.get("/django-admin/mfa/authenticator/").status_code)
"""


def test_djangos_admin_switched_on_shows_no_secret_and_changes_nothing(tmp_path: Path) -> None:
    said = run(tmp_path, ADMIN, DJANGO_ADMIN="on", ALLOWED_HOSTS="testserver")
    assert "anonymous ('/sign-in/" in said
    assert "secrets []" in said
    assert "changes 403" in said
    assert said.count("oracle 400") == 5
    assert "listed 200" in said
    assert "others 404" in said


def test_djangos_admin_is_off_by_default(as_admin: Client, acme: Account) -> None:
    assert as_admin.get("/django-admin/").status_code == 404
