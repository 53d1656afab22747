"""The table in README.md has every fault, and every test that it names exists."""

import re
from pathlib import Path

import pytest

from tests.faults import proof_table

HERE = Path(__file__).parent
ROWS = [
    *(f"W{n}" for n in range(1, 8)),
    *(f"R{n}" for n in range(1, 7)),
    *(f"P{n}" for n in range(1, 8)),
    *(f"F{n}" for n in range(1, 8)),
    *("A1", "A2", "A3", "A4", "I1", "I2", "H1", "H2", "H3", "N1", "S11"),
]
ROW = re.compile(
    r"^\| (?P<row>[A-Z]\d+) \| .* \| (?P<verbs>[^|]+) \| (?P<tests>[^|]+) \|$", re.MULTILINE
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


def test_the_page_has_a_row_per_scenario_and_names_what_was_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof_table, "ROOT", tmp_path)
    monkeypatch.setattr(proof_table, "FINISHED", tmp_path / "proof")
    (tmp_path / "docs").mkdir()
    kept = [{"seconds": 2.5, "lost": False, "doubled": False, "state": "needs_attention"}]
    proof_table.keep("matrix/sqlite/1", kept)
    proof_table.write_page([("matrix", "sqlite", 1), ("kills", "postgresql", 1)])
    page = (tmp_path / "docs" / "reliability.md").read_text()
    assert "| matrix | sqlite | 1/1 | 1 | 0 | 0 | 0 | 0 | 1 | 2.5 s | slowest 2.5 s |" in page
    assert "Not run, or only in part: kills on postgresql." in page
