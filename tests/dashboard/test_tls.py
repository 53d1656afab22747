"""Redis behind TLS: reached with the authority that signed its certificate, and refused without."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from runners_app.security.keys import new_key
from tests.processes import ROOT, Process, find_binary, free_port, run

ASK = """
import django
django.setup()
from django.core.cache import cache
from dashboard import celery_app
cache.set("a", "b", 60)
try:
    with celery_app.connection_for_write() as connection:
        connection.ensure_connection(max_retries=1, interval_start=0, timeout=5)
        broker = "reached"
except Exception:
    broker = "refused"
print(cache.get("a"), broker)
"""


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a Redis that speaks TLS alone; its certificate, which signs itself, lies in the query."""
    folder = tmp_path_factory.mktemp("tls")
    _make_certificate(folder)
    port = free_port()
    command = [find_binary("redis-server"), "--port", "0", "--tls-port", str(port)]
    command += ["--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    command += ["--tls-cert-file", str(folder / "own.pem"), "--tls-key-file", str(folder / "key")]
    command += ["--tls-auth-clients", "no"]
    server = Process(command, log=folder / "redis.log")
    with run(server):
        server.wait_until(lambda: "Ready to accept connections" in server.output())
        yield f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={folder / 'own.pem'}"


def _make_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a Redis for tests")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    (folder / "own.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def _ask(url: str, folder: Path) -> str:
    environment = {
        "DJANGO_SETTINGS_MODULE": "dashboard.settings",
        "TRACKSIDE_DATA_DIR": str(folder),
        "SECRET_KEY": "a secret key for tests",
        "CREDENTIAL_KEYS": new_key(),
        "WEB_KEYS": new_key(),
        "REDIS_URL": url,
    }
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_redis_behind_tls_is_reached_with_its_authority(redis_url: str, tmp_path: Path) -> None:
    assert _ask(redis_url, tmp_path) == "b reached"


def test_a_redis_whose_certificate_nobody_vouches_for_is_refused(
    redis_url: str, tmp_path: Path
) -> None:
    assert _ask(redis_url.partition("?")[0], tmp_path) == "None refused"
