"""The results that the proof has collected over all its runs, and the table it prints."""

import json
import subprocess
from datetime import UTC, datetime
from typing import Any

from tests.faults.driven import Results
from tests.processes import ROOT

FINISHED = ROOT / "test-output" / "proof"
HEADING = (
    f"{'scenario':<16}{'database':<12}{'chunks':>8}{'cases':>8}"
    f"{'lost':>6}{'doubled':>9}{'unfinished':>12}  measured"
)
SCALE = 5


def read_finished() -> dict[str, Results]:
    """Results by scenario/database/seed."""
    files = FINISHED.glob("*.json")
    return {path.stem.replace(",", "/"): json.loads(path.read_text()) for path in files}


def keep(key: str, results: Results) -> None:
    """Store the results of a chunk in a file of their own, atomically: several runs may write at
    once.
    """
    FINISHED.mkdir(parents=True, exist_ok=True)
    aside = FINISHED / f"{key.replace('/', ',')}.part"
    aside.write_text(json.dumps(results, indent=0))
    aside.rename(aside.with_suffix(".json"))


def table(chunks: list[tuple[str, str, int]]) -> list[str]:
    """A line per scenario and database: how much was run, what went wrong, what was measured."""
    by_kind: dict[tuple[str, str], list[Results]] = {}
    for key, results in read_finished().items():
        scenario, database, _ = key.split("/")
        by_kind.setdefault((scenario, database), []).append(results)
    return [HEADING, *(_line(*kind, found, chunks) for kind, found in sorted(by_kind.items()))]


def write_page(chunks: list[tuple[str, str, int]]) -> None:
    """Write `docs/reliability.md`: the counts of finished chunks, and which chunks are missing."""
    finished = read_finished()
    by_kind: dict[tuple[str, str], list[Results]] = {}
    for key, results in finished.items():
        scenario, database, _ = key.split("/")
        by_kind.setdefault((scenario, database), []).append(results)
    rows = [_row(*kind, found, chunks) for kind, found in sorted(by_kind.items())]
    missing = [chunk for chunk in chunks if "/".join(map(str, chunk)) not in finished]
    skipped = sorted({f"{scenario} on {database}" for scenario, database, _ in missing})
    columns = (
        *("scenario", "database", "chunks", "cases", "lost", "doubled", "overwritten"),
        *("unfinished", "needing a person", "slowest", "measured"),
    )
    lines = [
        "# Reliability",
        "",
        f"Written by `make proof` at commit {_commit()}, on {datetime.now(UTC):%-d %B %Y}.",
        f"Waiting times are production's divided by {SCALE}, unless a scenario says otherwise.",
        "The scenarios and the faults they stand for are in `tests/faults/README.md`.",
        "",
        f"| {' | '.join(columns)} |",
        f"|{'---|' * len(columns)}",
        *rows,
        "",
        f"Not run, or only in part: {', '.join(skipped) or 'nothing'}.",
        "",
        "Not proven by this run: power cuts, which need root and a loop device (`synchronous=FULL`",
        "and PostgreSQL's defaults are what protects from them).",
        "",
    ]
    (ROOT / "docs" / "reliability.md").write_text("\n".join(lines))


def _row(
    scenario: str, database: str, found: list[Results], chunks: list[tuple[str, str, int]]
) -> str:
    flat = [each for results in found for each in results]
    planned = sum(chunk[:2] == (scenario, database) for chunk in chunks)
    seconds = [float(each["seconds"]) for each in flat if each.get("seconds") is not None]
    cells = (
        scenario,
        database,
        f"{len(found)}/{planned}",
        str(sum(_cases(each) for each in flat)),
        str(_sum(flat, "lost")),
        str(_sum(flat, "doubled")),
        str(_sum(flat, "overwritten")),
        str(_sum(flat, "unfinished")),
        str(sum(each.get("state") == "needs_attention" for each in flat)),
        f"{max(seconds):.1f} s" if seconds else "",
        _measured(scenario, flat),
    )
    return f"| {' | '.join(cells)} |"


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True
    )
    return done.stdout.strip() or "unknown"


def _line(
    scenario: str, database: str, found: list[Results], chunks: list[tuple[str, str, int]]
) -> str:
    flat = [each for results in found for each in results]
    wanted = [chunk for chunk in chunks if chunk[:2] == (scenario, database)]
    cases = sum(_cases(each) for each in flat)
    counts = (
        f"{cases:>8}{_sum(flat, 'lost'):>6}{_sum(flat, 'doubled'):>9}{_sum(flat, 'unfinished'):>12}"
    )
    chunk_counts = f"{len(found):>4}/{len(wanted):<3}"
    return f"{scenario:<16}{database:<12}{chunk_counts}{counts}  {_measured(scenario, flat)}"


def _cases(result: dict[str, Any]) -> int:
    count: int = result.get("cases") or result.get("saves") or result.get("requests") or 1
    return count


def _sum(flat: Results, name: str) -> int:
    counts: list[int] = [int(each.get(name) or 0) for each in flat]
    return sum(counts)


def _measured(scenario: str, flat: list[dict[str, Any]]) -> str:
    first = flat[0]
    match scenario:
        case "kills" | "kills unscaled":
            seconds = [each["taken_up"] for each in flat if each["taken_up"] is not None]
            times = SCALE if scenario == "kills" else 1
            p95 = _percentile(seconds) * times
            return (
                f"taken over within {p95:.1f} s at p95 "
                f"({len(seconds)} were held, waiting times x {times})"
            )
        case "outages":
            redis = max(
                (each["working_again"] for each in flat if each["outage"] == "redis"), default=0
            )
            pages = [
                each["shown"]["/runners/"]["seconds"]
                for each in flat
                if each["outage"] == "postgresql"
            ]
            return (
                f"Redis back: working within {redis:.1f} s; "
                f"no PostgreSQL: 503 within {max(pages, default=0):.1f} s"
            )
        case "crowd":
            return (
                f"overlapping requests {_sum(flat, 'overlaps')}, "
                f"writes too close {_sum(flat, 'too_close')}"
            )
        case "stops":
            slowest = max(each["stopped"] for each in flat)
            return f"ended within {slowest:.1f} s of SIGTERM"
        case "editors":
            return (
                f"database is locked {first['locked']}, errors {first['errors']}, "
                f"ended {first['states']}"
            )
        case "github_down":
            return f"p95 {first['p95_ms']} ms, statuses {first['statuses']}"
        case "matrix":
            return f"slowest {max(each['seconds'] for each in flat):.1f} s"
    return ""


def _percentile(values: list[float], share: float = 0.95) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0
