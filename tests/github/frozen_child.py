"""A process that sends one write for each line it reads, so that a test can stop it on the way.

Run as `python -m tests.github.frozen_child URL CA_FILE SECONDS BYTES HOW`. Each write may leave for
SECONDS after the line, and has a body of about BYTES. HOW is `itself` (it stops itself when it has
been allowed to send) or `outside`. Of each write it prints one line with the time when it must be
over, by `uptime()`, and one of JSON with the outcome.
"""

from __future__ import annotations

import json
import os
import signal
import sys

from runners_app.github import GitHubClient, GitHubError, Owner, TokenAuth
from runners_app.github.clock import uptime


def main(url: str, ca_file: str, seconds: str, size: str, how: str) -> None:
    allowed_until = 0.0

    def before_request(method: str) -> float:
        if how == "itself":
            os.kill(os.getpid(), signal.SIGSTOP)
        return allowed_until

    token = TokenAuth("ghp_frozen")
    client = GitHubClient(url, token, ca_file=ca_file or None, before_request=before_request)
    say("ready")
    changes = {"name": "x" * int(size)}
    for _ in sys.stdin:
        allowed_until = uptime() + float(seconds)
        say(str(allowed_until))
        outcome = {"error": "", "may_have_applied": True}
        try:
            client.update_hosted_runner(Owner("organization", "octo-org"), 5, changes)
        except GitHubError as error:
            outcome = {
                "error": type(error).__name__,
                "may_have_applied": error.may_have_applied,
            }
        say(json.dumps(outcome))


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
