"""What the proof is made of."""

BOTH = ("sqlite", "postgresql")
SEEDS, KILLS, OUTAGES, CROWDS, EMBEDDED, ANSWERS = 50, 20, 4, 10, 5, 10


def chunks() -> list[tuple[str, str, int]]:
    """(scenario, database, seed), ordered so that a run that is cut short has seen a bit of everything."""
    rounds = [
        *(("matrix", database, seed) for seed in range(1, SEEDS + 1) for database in BOTH),
        *(("kills", database, seed) for seed in range(1, KILLS + 1) for database in BOTH),
        *(("kills unscaled", database, 1) for database in BOTH),
        *(("outages", "postgresql", seed) for seed in range(1, OUTAGES + 1)),
        *(("crowd", "postgresql", seed) for seed in range(1, CROWDS + 1)),
        *(("embedded", "sqlite", seed) for seed in range(1, EMBEDDED + 1)),
        *(("editors", database, 1) for database in BOTH),
        *(("github_down", database, 1) for database in BOTH),
        *(("answers", database, seed) for seed in range(1, ANSWERS + 1) for database in BOTH),
        ("in process", "postgresql", 1),
    ]
    return sorted(rounds, key=lambda chunk: chunk[2])
