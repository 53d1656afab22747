"""The private key of the simulated GitHub App, generated on first use and kept with the world."""

from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from runners_app.simulator.world.state import GitHubApp


def private_pem(app: GitHubApp) -> str:
    if not app.pem:
        key = generate_private_key(public_exponent=65537, key_size=2048)
        app.pem = key.private_bytes(
            Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
        ).decode()
    return app.pem


def public_key(app: GitHubApp) -> RSAPublicKey:
    return _public_key(private_pem(app))


@lru_cache(maxsize=4)
def _public_key(pem: str) -> RSAPublicKey:
    key = load_pem_private_key(pem.encode(), password=None).public_key()
    if not isinstance(key, RSAPublicKey):
        raise TypeError("The App's key is not an RSA key.")
    return key
