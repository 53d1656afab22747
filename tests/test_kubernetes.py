"""The manifests for Kubernetes: valid, consistent, and with the limits and rights of compose."""

import re
from collections.abc import Iterator
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.processes import ROOT

FOLDER = ROOT / "deploy/kubernetes"
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
Document = dict[str, Any]


def documents() -> list[Document]:
    """All that `kubectl apply --kustomize` sends."""
    texts = [(FOLDER / name).read_text() for name in KUSTOMIZATION["resources"]]
    return [each for text in texts for each in yaml.safe_load_all(text)]


DOCUMENTS = documents()
NAMES = [f"{each['kind']} {each['metadata']['name']}" for each in DOCUMENTS]


def of_kind(kind: str) -> dict[str, Document]:
    """By name, without the `trackside-` that all have in common."""
    found = [each for each in DOCUMENTS if each["kind"] == kind]
    return {each["metadata"]["name"].removeprefix("trackside-"): each for each in found}


def templates() -> dict[str, Document]:
    """The pods of each component."""
    owners = {**of_kind("Deployment"), **of_kind("Job")}
    return {name: each["spec"]["template"] for name, each in owners.items()}


PODS = templates()


def container_of(name: str) -> Document:
    (container,) = PODS[name]["spec"]["containers"]
    return dict(container)


def test_every_file_of_the_folder_is_applied() -> None:
    files = {path.name for path in FOLDER.glob("*.yaml")}
    assert files == {*KUSTOMIZATION["resources"], "kustomization.yaml"}
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("version", ["1.30", kubernetes_validate.latest_version()])
@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_a_manifest_follows_the_schema_of_kubernetes(document: Document, version: str) -> None:
    kubernetes_validate.validate(document, version, strict=True)


def test_there_are_two_of_what_people_and_github_wait_for() -> None:
    replicas = {name: each["spec"]["replicas"] for name, each in of_kind("Deployment").items()}
    assert replicas == {"web": 2, "hooks": 2, "worker": 2, "beat": 1}
    budgets = of_kind("PodDisruptionBudget")
    assert budgets.keys() == {"web", "hooks", "worker"}
    for name, budget in budgets.items():
        assert budget["spec"]["maxUnavailable"] == 1
        assert budget["spec"]["selector"]["matchLabels"] == PODS[name]["metadata"]["labels"]


@pytest.mark.parametrize("name", PODS)
def test_a_pod_has_no_right_it_does_not_need(name: str) -> None:
    spec, container = PODS[name]["spec"], container_of(name)
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    own = spec["securityContext"]
    assert own["runAsNonRoot"]
    assert own["runAsUser"] == own["runAsGroup"] == 10001
    assert f"USER {own['runAsUser']}:{own['runAsGroup']}\n" in (ROOT / "Dockerfile").read_text()
    assert own["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    assert volumes["tmp"]["emptyDir"]["sizeLimit"] == "64Mi"
    mounts = {mount["name"]: mount.get("readOnly", False) for mount in container["volumeMounts"]}
    assert [each for each, read_only in mounts.items() if not read_only] == ["tmp"]
    assert mounts.keys() == volumes.keys()
    assert ("owner" in volumes) == (name == "migrate")
    assert ("worker-keys" in volumes) == (name == "worker")


@pytest.mark.parametrize("name", PODS)
def test_a_pod_runs_what_compose_runs_with_as_much_memory(name: str) -> None:
    service = COMPOSE["web" if name == "hooks" else name]
    container = container_of(name)
    assert container.get("command") == service.get("command")
    limits = service["deploy"]["resources"]["limits"]
    assert container["resources"]["limits"]["memory"] == limits["memory"].replace("m", "Mi")


def test_hooks_are_pods_of_web_under_another_name() -> None:
    web, hooks = (yaml.safe_dump(PODS[name]) for name in ("web", "hooks"))
    assert re.sub(r"\bweb\b", "hooks", web) == hooks


@pytest.mark.parametrize("name", ["web", "hooks", "worker", "beat"])
def test_what_stays_up_is_probed_without_python(name: str) -> None:
    container = container_of(name)
    ports = {port["name"] for port in container.get("ports", ())}
    for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
        probe = container[kind]
        if "exec" in probe:
            assert "python" not in " ".join(probe["exec"]["command"])
            assert f"{name}-alive" in " ".join(probe["exec"]["command"])
        else:
            assert probe["httpGet"]["port"] in ports
        assert probe.get("timeoutSeconds", 10) == 10
    assert container["startupProbe"]["failureThreshold"] == 120
    service = COMPOSE["web" if name == "hooks" else name]
    if "stop_grace_period" in service:
        grace = int(service["stop_grace_period"].rstrip("s"))
        assert PODS[name]["spec"]["terminationGracePeriodSeconds"] > grace


def test_selectors_find_the_pods_they_mean() -> None:
    for name, deployment in of_kind("Deployment").items():
        assert deployment["spec"]["selector"]["matchLabels"] == PODS[name]["metadata"]["labels"]
    for name, service in of_kind("Service").items():
        assert service["spec"]["selector"] == PODS[name]["metadata"]["labels"]


def test_only_webhooks_go_to_the_pods_for_them() -> None:
    (rule,) = of_kind("Ingress")["trackside"]["spec"]["rules"]
    services = of_kind("Service")
    leads = {}
    for path in rule["http"]["paths"]:
        backend = path["backend"]["service"]
        service = services[backend["name"].removeprefix("trackside-")]
        assert backend["port"]["name"] in {port["name"] for port in service["spec"]["ports"]}
        leads[path["path"]] = backend["name"]
    assert leads == {"/hooks/": "trackside-hooks", "/": "trackside-web"}


def allowed(name: str, direction: str) -> Iterator[Document]:
    """What the policies that select a component's pods let through, `ingress` or `egress`."""
    labels = PODS[name]["metadata"]["labels"]
    for policy in of_kind("NetworkPolicy").values():
        selector = policy["spec"]["podSelector"]
        wanted = selector.get("matchLabels", {})
        any_of = selector.get("matchExpressions", [])
        if wanted.items() <= labels.items() and all(
            labels[each["key"]] in each["values"] for each in any_of
        ):
            yield from policy["spec"].get(direction, ())


def test_pods_reach_their_servers_and_the_proxy_and_nothing_else() -> None:
    ports = {
        name: {port["port"] for rule in allowed(name, "egress") for port in rule["ports"]}
        for name in PODS
    }
    names, database, redis, proxy = 53, 5432, 6380, 3128
    assert ports == {
        "web": {names, database, redis, proxy},
        "worker": {names, database, redis, proxy},
        "hooks": {names, database, redis},
        "beat": {names, database, redis},
        "migrate": {names, database},
    }
    entered = [name for name in PODS if list(allowed(name, "ingress"))]
    assert sorted(entered) == ["hooks", "web"]
    everything = of_kind("NetworkPolicy")["nothing-else"]["spec"]
    assert everything == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_every_setting_is_one_that_the_documents_name() -> None:
    known = set(re.findall(r"`([A-Z][A-Z_]+)`", (ROOT / "docs/operating.md").read_text()))
    given = set(of_kind("ConfigMap")["settings"]["data"])
    for name in PODS:
        given |= {each["name"].removesuffix("_FILE") for each in container_of(name)["env"]}
    assert given - known == set()


def test_pages_answer_by_the_name_that_the_ingress_knows() -> None:
    settings = of_kind("ConfigMap")["settings"]["data"]
    (rule,) = of_kind("Ingress")["trackside"]["spec"]["rules"]
    assert settings["ALLOWED_HOSTS"] == rule["host"]
    assert settings["PUBLIC_URL"] == f"https://{rule['host']}"
    # On its host nothing but webhooks would answer.
    assert rule["host"] not in settings.get("HOOKS_URL", "")


def test_every_secret_that_pods_read_is_made_by_the_readme() -> None:
    readme = (FOLDER / "README.md").read_text()
    for name in PODS:
        for variable in container_of(name)["env"]:
            if variable["name"].endswith("_FILE"):
                folder, file = variable["value"].removeprefix("/run/").split("/")
                assert f"> {folder}/{file}\n" in readme, variable
