"""The client: one API, one credential, all calls."""

from __future__ import annotations

from .credentials import CredentialCalls
from .hosted_runners import HostedRunnerCalls
from .images import ImageCalls
from .runner_group_access import RunnerGroupAccessCalls
from .runner_groups import RunnerGroupCalls
from .self_hosted_runners import SelfHostedRunnerCalls
from .webhooks import AppWebhookCalls, WebhookCalls
from .workflow_runs import WorkflowRunCalls


class GitHubClient(
    HostedRunnerCalls,
    ImageCalls,
    RunnerGroupCalls,
    RunnerGroupAccessCalls,
    SelfHostedRunnerCalls,
    CredentialCalls,
    WebhookCalls,
    AppWebhookCalls,
    WorkflowRunCalls,
):
    """GitHub's REST API at `api_url`, which may have a path such as `/api/v3`, with one credential.

    Every call sends one request and raises a `GitHubError` if it does not get its result; a list is
    a generator that sends one request per page, and raises while it is iterated. Nothing is ever
    sent a second time. `max_bytes` is the most an unpacked body may have. `ca_file` names a PEM
    file of the authorities to trust instead of the usual ones, for a server of one's own. `proxy`
    is the way out where there is no other; without one, the environment's is not used either.

    `deadline` is in seconds and for each request as a whole, with its redirects. No byte of a
    request leaves after it, however long this process was stopped on the way.

    `before_request(method)` is called before each request leaves, also before following a redirect;
    what it raises passes through and nothing is sent. It may return a time of `clock.uptime()` by
    which the right to send ends, such as that of a lease: the request then ends by it or by its own
    deadline, whichever is earlier. Take that time before asking for the right, never afterwards.
    `on_answer(meta)` is called after each answer, also a refusing one. Both may be set again while
    a client is kept, by whoever uses it next.

    Keeps its connections until `close()`. May be used by several threads. ValueError for an
    `api_url` that is none.
    """
