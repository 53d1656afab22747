"""Names for the seeded world: made-up organizations and repositories, and runners named as platform
teams name them.
"""

ORGANIZATIONS = (
    ("acme", "Acme"),
    ("globex", "Globex"),
    ("initech", "Initech"),
    ("hooli", "Hooli"),
    ("wonka-industries", "Wonka Industries"),
    ("tyrell", "Tyrell"),
    ("cyberdyne", "Cyberdyne Systems"),
    ("soylent", "Soylent"),
    ("massive-dynamic", "Massive Dynamic"),
    ("aperture-labs", "Aperture Laboratories"),
    ("wayne-tech", "Wayne Technologies"),
    ("stark-labs", "Stark Laboratories"),
)
ENTERPRISES = (("umbrella", "Umbrella"), ("weyland", "Weyland"), ("oscorp", "Oscorp"))

TEAMS = (
    "payments",
    "search",
    "mobile",
    "web",
    "data",
    "platform",
    "identity",
    "shipping",
    "support",
    "growth",
)

# name, image id (github-owned), machine size, maximum
RUNNERS = (
    ("linux-2core-lint", "2306", "2-core", 20),
    ("linux-4core-ci", "2306", "4-core", 50),
    ("linux-8core-test", "2306", "8-core", 30),
    ("linux-16core-build", "2306", "16-core", 15),
    ("linux-32core-integration", "2306", "32-core", 8),
    ("linux-64core-nightly", "2305", "64-core", 2),
    ("arm-4core-ci", "2411", "4-core", 25),
    ("arm-16core-images", "2411", "16-core", 6),
    ("win-4core-test", "1002", "4-core", 12),
    ("win-8core-build", "1001", "8-core", 10),
    ("win-32core-release", "1002", "32-core", 3),
    ("e2e-browsers-8core", "2306", "8-core", 40),
    ("android-16core", "2305", "16-core", 10),
    ("docs-2core", "2306", "2-core", 5),
    ("benchmarks-96core", "2306", "96-core", 1),
)

# name, private
REPOSITORIES = (
    ("api", True),
    ("web", True),
    ("mobile", True),
    ("infrastructure", True),
    ("payments", True),
    ("search", True),
    ("data-pipeline", True),
    ("monolith", True),
    ("docs", False),
    ("sdk-python", False),
    ("sdk-js", False),
    ("design-system", False),
)


def nth_name(names: tuple[tuple[str, str], ...], number: int) -> tuple[str, str]:
    """Slug and name of the ``number``-th account, from 0; with a suffix once the names run out."""
    slug, name = names[number % len(names)]
    turn = number // len(names) + 1
    return (slug, name) if turn == 1 else (f"{slug}-{turn}", f"{name} {turn}")
