"""Variables as settings read them: `NAME`, or the content of the file that `NAME_FILE` names.

django-environ comes without types, hence what is ignored here.
"""

from environ import FileAwareEnv
from environ.fileaware_mapping import FileAwareMapping


class _AsMeant(FileAwareMapping):  # type: ignore[misc]
    """Without what stands around a value, for a file often ends with a line break; and a `$` means
    itself.

    Else a secret that begins with one is taken for the name of another variable, and named in the
    error.
    """

    def __getitem__(self, key: str) -> str:
        value: str = super().__getitem__(key)
        return value.strip().replace("$", r"\$")


class Environment(FileAwareEnv):  # type: ignore[misc]
    ENVIRON = _AsMeant()

    def __init__(self) -> None:
        super().__init__()
        self.escape_proxy = True
