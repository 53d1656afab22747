"""Workflow runs, their jobs, concurrency groups and custom properties."""

from datetime import datetime

from runners_app.simulator.api.call import Call, wrapped_page
from runners_app.simulator.api.job_bodies import describe_job, describe_run
from runners_app.simulator.api.organizations import describe_repository
from runners_app.simulator.api.wire import Response, not_found, page_of
from runners_app.simulator.world.jobs import Job, Run
from runners_app.simulator.world.lifecycle import timestamp
from runners_app.simulator.world.state import Account, Repository, account_key

DOCS = "/actions/workflow-runs"
MOST_FOUND = 1000


def list_runs(call: Call) -> Response:
    """Newest first; with ``created`` at most 1,000, as on GitHub."""
    account, repository = _repository(call)
    jobs = call.courier.jobs
    created = call.request.query.get("created", "")
    since, until = _window(created)
    found = [
        run
        for run in jobs.runs.values()
        if run.account == account.key
        and run.repository_id == repository.id
        and since <= run.created_on <= min(until, call.wall)
    ]
    found.sort(key=lambda run: -run.created_on)
    found = found[:MOST_FOUND] if created else found
    body = describe_repository(call, account, repository)
    described = [
        describe_run(run, _jobs(call, run), body, call.request.base_url, call.wall) for run in found
    ]
    return wrapped_page(call, "workflow_runs", described)


def get_run(call: Call) -> Response:
    account, repository = _repository(call)
    run, described = _run(call), describe_repository(call, account, repository)
    body = describe_run(run, _jobs(call, run), described, call.request.base_url, call.wall)
    return Response(200, body)


def get_run_attempt(call: Call) -> Response:
    response, run = get_run(call), _run(call)
    attempt = int(call.params["attempt_id"])
    if not 1 <= attempt <= len(run.attempts):
        raise not_found(DOCS)
    started = run.attempts[attempt - 1]
    response.body["run_attempt"] = attempt
    response.body["run_started_at"] = timestamp(started)
    return response


def list_run_jobs(call: Call) -> Response:
    _repository(call)
    run = _run(call)
    jobs = [job for job in _jobs(call, run) if job.created_on <= call.wall or job.copy_of]
    if call.request.query.get("filter", "latest") == "latest":
        jobs = [job for job in jobs if job.run_attempt == len(run.attempts)]
    described = [describe_job(job, call.request.base_url, call.wall) for job in jobs]
    return wrapped_page(call, "jobs", described)


def get_job(call: Call) -> Response:
    account, _ = _repository(call)
    job = call.courier.jobs.jobs.get(int(call.params["job_id"]))
    if job is None or job.account != account.key or job.created_on > call.wall:
        raise not_found(DOCS)
    return Response(200, describe_job(job, call.request.base_url, call.wall))


def list_run_concurrency_groups(call: Call) -> Response:
    """Nothing here runs in one."""
    _repository(call)
    return wrapped_page(call, "concurrency_groups", [])


def list_property_values(call: Call) -> Response:
    teams = ("platform", "web", "data", "mobile")
    page, headers = page_of(call.request, list(call.account.repositories.values()))
    rows = [
        {
            "repository_id": repository.id,
            "repository_name": repository.name,
            "repository_full_name": f"{call.account.slug}/{repository.name}",
            "properties": [
                {"property_name": "team", "value": teams[repository.id % len(teams)]},
                {"property_name": "cost_center", "value": None},
            ],
        }
        for repository in page
    ]
    return Response(200, rows, headers)


def _repository(call: Call) -> tuple[Account, Repository]:
    """What the path names, if the token serves its organization."""
    account = call.world.accounts.get(account_key("organization", call.params["owner"]))
    if account is None or call.token is None or account.key not in call.token.accounts:
        raise not_found(DOCS)
    for repository in account.repositories.values():
        if repository.name.lower() == call.params["repo"].lower():
            return account, repository
    raise not_found(DOCS)


def _run(call: Call) -> Run:
    run: Run | None = call.courier.jobs.runs.get(int(call.params["run_id"]))
    if run is None:
        raise not_found(DOCS)
    return run


def _jobs(call: Call, run: Run) -> list[Job]:
    return [call.courier.jobs.jobs[id_] for id_ in run.jobs]


def _window(created: str) -> tuple[float, float]:
    """``since..until``, both included; an open end is ``*``."""
    if not created:
        return 0.0, float("inf")
    since, _, until = created.partition("..")
    return _moment(since, 0.0), _moment(until, float("inf"))


def _moment(text: str, default: float) -> float:
    return datetime.fromisoformat(text).timestamp() if text and text != "*" else default
