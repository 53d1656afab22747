"""Prints the public halves of keys, for web: `python -m dashboard.public_keys < FILE`."""

import sys

from runners_app.security.keys import public_half


def public_halves(keys: str) -> str:
    """The public halves of keys with commas between. Raises ValueError for what is no key."""
    return ",".join(public_half(key.strip()) for key in keys.split(","))


if __name__ == "__main__":
    sys.stdout.write(public_halves(sys.stdin.read()))
