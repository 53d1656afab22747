"""Environment variables: `NAME`, or the content of the file whose path is in `NAME_FILE`.

django-environ has no types, hence the ignored errors.
"""

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
