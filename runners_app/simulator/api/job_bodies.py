"""Jobs, runs and job events in GitHub's shape."""

from typing import Any

from runners_app.simulator.api.wire import Body
from runners_app.simulator.world.jobs import Job, Run, status_of
from runners_app.simulator.world.lifecycle import timestamp

NO_MACHINE_IN_REST = {
    "runner_id": 0,
    "runner_name": "",
    "runner_group_id": 0,
    "runner_group_name": "",
}
NO_MACHINE = dict.fromkeys(NO_MACHINE_IN_REST)


def describe_job(job: Job, base_url: str, now: float, *, rest: bool = True) -> Body:
    """The job as it is at ``now``. Before a machine took it, REST writes zeros and events null."""
    status = status_of(job, now)
    own = f"{base_url}/repos/{job.repository}"
    assigned = job.started_on is not None and status in ("in_progress", "completed")
    machine: dict[str, Any] = {
        "runner_id": job.machine_id,
        "runner_name": job.machine,
        "runner_group_id": job.group_id,
        "runner_group_name": job.group_name,
    }
    started = job.started_on if assigned and job.started_on is not None else job.created_on
    if "stuck_start" in job.traps:
        started = job.created_on
    if job.conclusion == "skipped":
        started = job.created_on - 1
    completed = timestamp(job.completed_on) if status == "completed" else None
    return {
        "id": job.id,
        "run_id": job.run_id,
        "workflow_name": job.workflow,
        "head_branch": job.branch,
        "run_url": f"{own}/actions/runs/{job.run_id}",
        "run_attempt": job.run_attempt,
        "node_id": f"CR_{job.id}",
        "head_sha": f"{job.run_id:040x}"[-40:],
        "url": f"{own}/actions/jobs/{job.id}",
        "html_url": f"https://github.com/{job.repository}/actions/runs/{job.run_id}/job/{job.id}",
        "status": status,
        "conclusion": job.conclusion if status == "completed" else None,
        "created_at": timestamp(job.created_on),
        "started_at": timestamp(started),
        "completed_at": completed,
        "name": job.name,
        "steps": _steps(job, status) if assigned and "stuck_start" not in job.traps else [],
        "check_run_url": f"{own}/check-runs/{job.id}",
        "labels": job.labels,
        **(machine if assigned else NO_MACHINE_IN_REST if rest else NO_MACHINE),
    }


def _steps(job: Job, status: str) -> list[Body]:
    started = timestamp(job.started_on or 0).replace("Z", ".000Z")
    done = status == "completed"
    return [
        {
            "name": "Set up job",
            "status": "completed" if done else "in_progress",
            "conclusion": "success" if done else None,
            "number": 1,
            "started_at": started,
            "completed_at": started if done else None,
        }
    ]


def describe_run(run: Run, jobs: list[Job], repository: Body, base_url: str, now: float) -> Body:
    name = repository["full_name"]
    own = f"{base_url}/repos/{name}/actions/runs/{run.id}"
    statuses = {status_of(job, now) for job in jobs}
    done = statuses <= {"completed"}
    ended = max((job.completed_on for job in jobs), default=run.created_on)
    return {
        "id": run.id,
        "name": run.workflow,
        "node_id": f"WFR_{run.id}",
        "head_branch": run.branch,
        "head_sha": f"{run.id:040x}"[-40:],
        "path": f".github/workflows/{run.workflow.lower()}.yml",
        "run_number": run.id % 100_000,
        "run_attempt": len(run.attempts),
        "event": "push",
        "status": "completed" if done else "in_progress",
        "conclusion": ("failure" if any(j.conclusion == "failure" for j in jobs) else "success")
        if done
        else None,
        "workflow_id": len(run.workflow),
        "url": own,
        "html_url": f"https://github.com/{name}/actions/runs/{run.id}",
        "created_at": timestamp(run.created_on),
        "updated_at": timestamp(min(now, ended)),
        "run_started_at": timestamp(run.attempts[-1]),
        "display_title": run.workflow,
        "pull_requests": [],
        "head_commit": None,
        "jobs_url": f"{own}/jobs",
        "logs_url": f"{own}/logs",
        "artifacts_url": f"{own}/artifacts",
        "cancel_url": f"{own}/cancel",
        "rerun_url": f"{own}/rerun",
        "check_suite_url": f"{base_url}/repos/{name}/check-suites/{run.id}",
        "workflow_url": f"{base_url}/repos/{name}/actions/workflows/{len(run.workflow)}",
        "repository": repository,
        "head_repository": repository,
    }


def describe_event(
    job: Job, action: str, base_url: str, at: float, organization_id: int, installation: int | None
) -> Body:
    """A ``workflow_job`` delivery of something that happened at ``at``."""
    body = describe_job(job, base_url, at, rest=False)
    body["status"] = "waiting" if "approval" in job.traps and action == "queued" else action
    owner = {"login": job.organization, "id": organization_id, "type": "Organization"}
    event: Body = {
        "action": action,
        "workflow_job": body,
        "repository": {
            "id": job.repository_id,
            "name": job.repository.partition("/")[2],
            "full_name": job.repository,
            "private": True,
            "owner": owner,
            "custom_properties": {"team": "platform"},
        },
        "organization": owner,
        "sender": {"login": "mona", "id": 1, "type": "User"},
    }
    if installation is not None:
        event["installation"] = {"id": installation}
    return event
