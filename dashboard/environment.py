"""Variables as settings read them: `NAME`, or the content of the file that `NAME_FILE` names."""

from environ import FileAwareEnv
from environ.fileaware_mapping import FileAwareMapping


class _Stripped(FileAwareMapping):  # type: ignore[misc]
    """Without what stands around a value: a file often ends with a line break."""

    def __getitem__(self, key: str) -> str:
        value: str = super().__getitem__(key)
        return value.strip()


class Environment(FileAwareEnv):  # type: ignore[misc]
    ENVIRON = _Stripped()
