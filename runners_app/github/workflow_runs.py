"""Calls about workflow runs and their jobs, concurrency groups, and custom properties of
repositories.

Jobs are handed on as GitHub's JSON: the normaliser reads them together with webhooks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from . import values
from .caller import Caller
from .meta import Answer
from .pages import Known, Page, none_known
from .shapes import Owner, path_segment

RawJob = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class WorkflowRun:
    """A run. `created_at` stays on a re-run; `run_started_at` is that of its latest attempt."""

    id: int
    name: str
    run_attempt: int
    status: str
    created_at: datetime | None
    updated_at: datetime | None
    run_started_at: datetime | None


@dataclass(frozen=True, slots=True)
class RepositoryProperties:
    """The custom properties of a repository; several values are joined by commas, absent ones left
    out.
    """

    repository_id: int
    full_name: str
    properties: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ConcurrencyMember:
    """A run, or one job of it, in a concurrency group; `status` is GitHub's word, such as
    `pending`.
    """

    run_id: int
    job_id: int | None
    status: str


class WorkflowRunCalls(Caller):
    def list_workflow_runs(
        self,
        repository: str,
        *,
        created: str = "",
        known: Known = none_known,
        per_page: int = 100,
    ) -> Iterator[Page[WorkflowRun]]:
        """Runs of a repository (`owner/name`), newest first.

        With `created` (such as `2026-11-01T00:00:00Z..2026-11-01T05:59:59Z`) GitHub gives 1,000 at
        most.

        actions/list-workflow-runs-for-repo: GET /repos/{owner}/{repo}/actions/runs.
        """
        path = f"{repository_path(repository)}/actions/runs"
        query: dict[str, int | str] = {"created": created} if created else {}
        return self._pages(path, "workflow_runs", _run, known, **query, per_page=per_page)

    def get_workflow_run_attempt(
        self, repository: str, run_id: int, attempt: int
    ) -> Answer[WorkflowRun]:
        """One attempt of a run, with when that attempt started.

        actions/get-workflow-run-attempt: GET
        /repos/{owner}/{repo}/actions/runs/{run_id}/attempts/{attempt_number}.
        """
        path = f"{repository_path(repository)}/actions/runs/{run_id}/attempts/{attempt}"
        return self._one("GET", path, _run)

    def list_workflow_run_jobs(
        self, repository: str, run_id: int, *, per_page: int = 100
    ) -> Iterator[Page[RawJob]]:
        """The jobs of all attempts of a run; the latest alone would hide failed ones, which are
        billed.

        actions/list-jobs-for-workflow-run: GET /repos/{owner}/{repo}/actions/runs/{run_id}/jobs.
        """
        path = f"{repository_path(repository)}/actions/runs/{run_id}/jobs"
        return self._pages(path, "jobs", _job, none_known, filter="all", per_page=per_page)

    def get_workflow_job(self, repository: str, job_id: int) -> Answer[RawJob]:
        """One job; NotFound once GitHub no longer has it.

        actions/get-job-for-workflow-run: GET /repos/{owner}/{repo}/actions/jobs/{job_id}.
        """
        return self._one("GET", f"{repository_path(repository)}/actions/jobs/{job_id}", _job)

    def list_run_concurrency_members(
        self, repository: str, run_id: int
    ) -> Iterator[Page[tuple[ConcurrencyMember, ...]]]:
        """Of each concurrency group a run is in: who is in it.

        actions/list-concurrency-groups-for-workflow-run: GET
        /repos/{owner}/{repo}/actions/runs/{run_id}/concurrency_groups.
        """
        path = f"{repository_path(repository)}/actions/runs/{run_id}/concurrency_groups"
        return self._pages(path, "concurrency_groups", _members, none_known, per_page=100)

    def list_repository_properties(
        self, owner: Owner, *, known: Known = none_known, per_page: int = 100
    ) -> Iterator[Page[RepositoryProperties]]:
        """The custom properties of every repository of an organization, in pages of a bare array.

        orgs/custom-properties-for-repos-get-organization-values: GET /orgs/{org}/properties/values.
        ValueError for an enterprise.
        """
        if owner.kind != "organization":
            raise ValueError("Only an organization's repositories have properties")
        path = f"{owner.path}/properties/values"
        return self._pages(path, None, _properties, known, per_page=per_page)


def repository_path(full_name: str) -> str:
    """`/repos/{owner}/{repo}`, quoted. ValueError if it is not `owner/name`."""
    owner, separator, name = full_name.partition("/")
    if not separator:
        raise ValueError(f"{full_name!r} is not owner/name")
    return f"/repos/{path_segment(owner)}/{path_segment(name)}"


def _run(value: object) -> WorkflowRun:
    run = values.must_be_object(value)
    return WorkflowRun(
        id=values.identity(run.get("id")),
        name=values.text(run.get("name")),
        run_attempt=values.count(run.get("run_attempt")) or 1,
        status=values.text(run.get("status")),
        created_at=values.moment(run.get("created_at")),
        updated_at=values.moment(run.get("updated_at")),
        run_started_at=values.moment(run.get("run_started_at")),
    )


def _job(value: object) -> RawJob:
    job = values.must_be_object(value)
    values.identity(job.get("id"))
    return job


def _members(value: object) -> tuple[ConcurrencyMember, ...]:
    members = values.items(values.must_be_object(value).get("group_members"))
    return tuple(_member(values.must_be_object(member)) for member in members)


def _member(member: Mapping[str, object]) -> ConcurrencyMember:
    return ConcurrencyMember(
        run_id=values.identity(member.get("run_id")),
        job_id=values.optional_identity(member.get("job_id")),
        status=values.text(member.get("status")),
    )


def _properties(value: object) -> RepositoryProperties:
    said = values.must_be_object(value)
    pairs = [values.mapping(pair) for pair in values.items(said.get("properties"))]
    named = {values.text(pair.get("property_name")): _property(pair.get("value")) for pair in pairs}
    return RepositoryProperties(
        repository_id=values.identity(said.get("repository_id")),
        full_name=values.text(said.get("repository_full_name")),
        properties={name: text for name, text in named.items() if name and text},
    )


def _property(value: object) -> str:
    if isinstance(value, list):
        return values.clean(", ".join(values.text(each) for each in value))
    return values.text(value)
