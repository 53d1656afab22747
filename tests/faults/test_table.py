"""The table in README.md has every fault, and every test that it names exists."""

import re
from pathlib import Path

HERE = Path(__file__).parent
ROWS = [
    *(f"W{n}" for n in range(1, 8)),
    *(f"R{n}" for n in range(1, 7)),
    *(f"P{n}" for n in range(1, 8)),
    *(f"F{n}" for n in range(3, 8)),
]
ROW = re.compile(
    r"^\| (?P<row>[WRPF]\d) \| .* \| (?P<verbs>[^|]+) \| (?P<tests>[^|]+) \|$", re.MULTILINE
)


def rows() -> dict[str, list[str]]:
    text = (HERE / "README.md").read_text()
    return {found["row"]: re.findall(r"`(\w+)`", found["tests"]) for found in ROW.finditer(text)}


def test_every_fault_has_a_test() -> None:
    assert list(rows()) == ROWS
    assert all(rows().values())


def test_every_named_test_exists() -> None:
    source = "\n".join(path.read_text() for path in HERE.parent.rglob("test_*.py"))
    defined = set(re.findall(r"^\s*(?:def|class) (\w+)", source, re.MULTILINE))
    assert {name for names in rows().values() for name in names} <= defined
