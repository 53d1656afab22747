"""Environment variables: `NAME`, or the content of the file whose path is in `NAME_FILE`.

django-environ has no types, hence the ignored errors.
"""

import re

from django.core.exceptions import ImproperlyConfigured
from environ import FileAwareEnv
from environ.fileaware_mapping import FileAwareMapping


class _Literal(FileAwareMapping):  # type: ignore[misc]
    """Values without surrounding whitespace, because files end in a line break, and with a literal
    `$`.

    Otherwise a secret that begins with `$` would be read as the name of another variable, which
    the error message then shows.
    """

    def __getitem__(self, key: str) -> str:
        value: str = super().__getitem__(key)
        return value.strip().replace("$", r"\$")


class Environment(FileAwareEnv):  # type: ignore[misc]
    ENVIRON = _Literal()

    def __init__(self) -> None:
        super().__init__()
        self.escape_proxy = True


GIVEN = re.compile(r"administrator|(viewer|manager):(organization|enterprise):\S+")


def check_groups(value: object) -> dict[str, list[str]]:
    """Return OIDC_GROUPS: a group of the provider → what it gives. Raises ImproperlyConfigured."""
    example = '{"platform": ["administrator"], "web": ["manager:organization:acme"]}'
    if not isinstance(value, dict) or not all(isinstance(each, list) for each in value.values()):
        raise ImproperlyConfigured(f"OIDC_GROUPS must be JSON such as {example}.")
    for group, gives in value.items():
        for given in gives:
            if not isinstance(given, str) or not GIVEN.fullmatch(given):
                raise ImproperlyConfigured(
                    f"OIDC_GROUPS: {given!r} of the group {group!r} is neither “administrator” nor "
                    f"ROLE:KIND:ACCOUNT, as in {example}."
                )
    return value
