"""Files about the repository and its containers that nothing else in the tests reads."""

import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema

from tests.processes import ROOT

BIN = Path(sys.executable).parent
MAKEFILE = (ROOT / "Makefile").read_text()
OPERATING = (ROOT / "docs/operating.md").read_text()
WALK = ROOT / "deploy/walk.py"


def recipe(target: str) -> list[str]:
    """The commands of a target of the Makefile, without what only hides them."""
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", MAKEFILE, re.M)
    assert found, target
    lines = found[1].replace("\\\n", " ").splitlines()
    return [line.strip().lstrip("@") for line in lines]


@pytest.mark.parametrize(
    ("file", "schema"),
    [
        (".github/workflows/ci.yml", "vendor.github-workflows"),
        (".github/ISSUE_TEMPLATE/bug.yml", "vendor.github-issue-forms"),
        (".github/ISSUE_TEMPLATE/idea.yml", "vendor.github-issue-forms"),
        (".github/ISSUE_TEMPLATE/config.yml", "vendor.github-issue-config"),
    ],
)
def test_a_file_for_github_follows_its_schema(file: str, schema: str) -> None:
    read = yaml.safe_load((ROOT / file).read_text())
    if True in read:
        read["on"] = read.pop(True)  # as YAML 1.1 reads that word
    jsonschema.validate(read, get_builtin_schema(schema))


def test_ci_elsewhere_runs_what_runs_here_on_every_python_that_is_promised() -> None:
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    assert {"run": ".ci/run"} in jobs["test"]["steps"]
    pythons = jobs["test"]["strategy"]["matrix"]["python"]
    promised = re.search(r'requires-python = ">=([\d.]+)"', (ROOT / "pyproject.toml").read_text())
    assert promised
    assert pythons[0] == promised[1]
    assert pythons == [f"3.{minor}" for minor in range(11, 11 + len(pythons))]


def test_before_a_push_everything_is_checked_that_make_check_checks() -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    hooks = {hook["id"]: hook for hook in repository["hooks"]}
    assert hooks["make-check"]["entry"] == "make check"
    assert hooks["make-check"]["stages"] == ["pre-push"]
    checked = " ".join(recipe("check")).replace("$(BIN)", ".venv/bin")
    for name in ("ruff-check", "ruff-format", "djlint"):
        tool = hooks[name]["entry"].replace(" --force-exclude", "")
        assert tool in checked, name


def test_ci_leaves_nodejs_alone_where_it_comes_with_npm(tmp_path: Path) -> None:
    """Debian's package npm cannot be installed beside a nodejs that brings its own."""
    asked, own = tmp_path / "asked", tmp_path / "bin"
    own.mkdir()

    def command(name: str, does: str = "") -> None:
        (own / name).write_text(f"#!/bin/sh\n{does}\n")
        (own / name).chmod(0o755)

    for name in ("chromium", "redis-server", "psql", "git", "id", "python3"):
        command(name, "echo 0" if name == "id" else "")
    command("make", f'echo "make $*" >> {asked}')
    install = f'echo "$@" >> {asked}; for each; do [ "$each" = nodejs ] && '
    install += f"printf '#!/bin/sh\\n' | tee {own}/node > {own}/npm; done; chmod +x {own}/*; exit 0"
    command("apt-get", install)
    for name in ("env", "bash", "dirname", "tee", "chmod", "sh"):
        (own / name).symlink_to(f"/usr/bin/{name}")
    done = subprocess.run(
        ["/usr/bin/bash", str(ROOT / ".ci/run")],
        env={"PATH": str(own)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    lines = asked.read_text().splitlines()
    assert [line for line in lines if "install" in line and " nodejs" in line]
    assert not [line for line in lines if "install" in line and line.endswith(" npm")]
    assert [line for line in lines if line.startswith("make")] == [
        "make check",
        "make coverage",
        "make test ARGS=-m 'browser and not proof'",
    ]


def test_the_list_of_packages_names_what_is_pinned(tmp_path: Path) -> None:
    (command,) = recipe("sbom")
    out = tmp_path / "sbom.json"
    command = command.replace("$(BIN)", str(BIN)).replace("$(SBOM)", str(out)) + " --no-validate"
    subprocess.run(["bash", "-c", command], cwd=ROOT, check=True, timeout=60)
    listed = json.loads(out.read_text())
    assert listed["bomFormat"] == "CycloneDX"
    found = {(each["name"], each["version"]) for each in listed["components"]}
    pinned = re.findall(
        r"^([\w.-]+)(?:\[[^]]*\])?==([\w.]+)", (ROOT / "requirements.txt").read_text(), re.M
    )
    assert found == set(pinned)


def test_the_walk_takes_its_commands_from_the_documents() -> None:
    starts = re.findall(r'documented\(\s*"([^"]+)"\s*\)', WALK.read_text())
    assert len(starts) > 5
    for start in starts:
        assert f"\n{start}" in OPERATING, start


def test_the_walk_lists_its_steps_and_says_why_it_tries_nothing(tmp_path: Path) -> None:
    def walk(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(WALK), *arguments],
            env={"PATH": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
        )

    steps = walk("--list").stdout.splitlines()
    assert steps[0] == "Build the image"
    assert len(steps) == WALK.read_text().count("\n@step\n")
    nothing = walk()
    assert (nothing.returncode, nothing.stdout) == (2, "")
    assert "Nothing was tried: there is no docker command" in nothing.stderr
