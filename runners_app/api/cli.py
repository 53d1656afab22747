"""The `trackside` command: Trackside from scripts and terminals, over its public API alone.

It reads TRACKSIDE_URL and TRACKSIDE_TOKEN. Exit codes: 0 done, 1 GitHub rejected it or it was
cancelled, 2 wrong usage or invalid values, 3 not allowed, 4 not found, 5 not finished in time or a
person must decide, 6 Trackside cannot be reached.
"""

import argparse
import json
import os
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urljoin
from uuid import uuid4

import requests

OK, REJECTED, INVALID, FORBIDDEN, NOT_FOUND, UNFINISHED, UNREACHABLE = range(7)
EXIT_OF_STATUS = {401: FORBIDDEN, 403: FORBIDDEN, 404: NOT_FOUND}
TIMEOUT_SECONDS, CHECK_SECONDS = 90, 1.0
Row = dict[str, Any]


class Failed(Exception):
    """Ends the command with a message and an exit code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Client:
    """The API, as this command needs it."""

    def __init__(self, base_url: str, token: str) -> None:
        self.base = urljoin(base_url.rstrip("/") + "/", "api/v1/")
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {token}"

    def send(self, method: str, path: str, **options: Any) -> requests.Response:
        """The answer to a request. Raises Failed for errors, in the API's words."""
        url = urljoin(self.base, path)
        try:
            answer = self.session.request(method, url, timeout=TIMEOUT_SECONDS, **options)
        except requests.RequestException as error:
            reason = type(error).__name__
            raise Failed(f"{self.base} cannot be reached ({reason}).", UNREACHABLE) from None
        if answer.ok:
            return answer
        try:
            problem = answer.json()
        except ValueError:
            problem = {"detail": answer.reason, "errors": []}
        lines = [str(problem.get("detail", answer.reason))]
        lines += [f"  {each['field']}: {each['message']}" for each in problem.get("errors", ())]
        code = EXIT_OF_STATUS.get(answer.status_code, INVALID)
        if answer.status_code >= 500:
            code = UNREACHABLE
        raise Failed("\n".join(lines), code)

    def get(self, path: str, **params: Any) -> Any:
        return self.send("GET", path, params=params).json()

    def rows(self, path: str, **params: Any) -> Iterator[Row]:
        """All rows of a list, page by page."""
        after: str | None = ""
        while after is not None:
            page = self.get(path, after=after, limit=100, **params)
            yield from page["rows"]
            after = page["next"]

    def write(self, method: str, path: str, body: Row | None = None, **params: Any) -> Row:
        """The answer to a write, which is sent once however often the network fails."""
        headers = {"Idempotency-Key": str(uuid4())}
        answer: Row = self.send(method, path, json=body, params=params, headers=headers).json()
        return answer


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    if not options.url or not options.token:
        parser.error("set TRACKSIDE_URL and TRACKSIDE_TOKEN, or --url and --token")
    try:
        run: Callable[[Client, argparse.Namespace], int] = options.run
        return run(Client(options.url, options.token), options)
    except Failed as error:
        print(f"trackside: {error}", file=sys.stderr)
        return error.code
    except BrokenPipeError:  # the reader, such as head, has seen enough
        sys.stderr.close()
        return OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="trackside", description=__doc__)
    parser.add_argument("--url", default=os.environ.get("TRACKSIDE_URL", ""))
    parser.add_argument("--token", default=os.environ.get("TRACKSIDE_TOKEN", ""))
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    runners = commands.add_parser("runners", help="List and change runners.")
    actions = runners.add_subparsers(required=True, metavar="ACTION")

    action = actions.add_parser("list", help="Runners that match a search.")
    action.add_argument("query", nargs="?", default="", help="For example: org:acme status:stuck")
    _add(action, _list_runners, "--json")

    action = actions.add_parser("show", help="One runner.")
    action.add_argument("runner", help="Its key (pk), or its name with --account.")
    action.add_argument("--account", default="", help="For example organization:acme")
    _add(action, _show_runner, "--json")

    action = actions.add_parser("create", help="Create a runner.")
    action.add_argument("account", help="For example organization:acme")
    action.add_argument("name")
    action.add_argument("--image", required=True, help="Name or id of an image.")
    action.add_argument("--size", required=True, help="For example 4-core")
    action.add_argument("--group", required=True, help="Name or id of a runner group.")
    action.add_argument("--maximum", type=int, default=10)
    action.add_argument("--static-ip", action="store_true")
    _add(action, _create, "--json", "--wait", "--dry-run")

    action = actions.add_parser("edit", help="Change a runner.")
    action.add_argument("runner")
    action.add_argument("--account", default="")
    action.add_argument("--name", dest="new_name")
    action.add_argument("--size")
    action.add_argument("--group", help="Name or id of a runner group.")
    action.add_argument("--maximum", type=int)
    action.add_argument("--static-ip", choices=["yes", "no"])
    _add(action, _edit, "--json", "--wait", "--dry-run")

    action = actions.add_parser("delete", help="Delete a runner.")
    action.add_argument("runner")
    action.add_argument("--account", default="")
    action.add_argument("--yes", action="store_true", help="Do not ask.")
    _add(action, _delete, "--json", "--wait", "--dry-run")

    action = commands.add_parser("operation", help="The state of an operation.")
    action.add_argument("id", type=int)
    _add(action, _operation, "--json", "--wait")

    action = commands.add_parser("explain", help="Which runners a repository may use, and why not.")
    action.add_argument("account")
    action.add_argument("repository")
    action.add_argument("--workflow", default="")
    _add(action, _explain, "--json")

    action = commands.add_parser("ips", help="Static IP ranges, one per line.")
    action.add_argument("--account", default="")
    action.add_argument("--group", default="")
    _add(action, _ips, "--json")

    action = commands.add_parser("export", help="Settings as text.")
    action.add_argument("format", choices=["terraform", "yaml", "json", "csv"])
    action.add_argument("query", nargs="?", default="")
    action.add_argument(
        "--into", type=Path, metavar="FOLDER", help="Terraform: one file per organization."
    )
    _add(action, _export)
    return parser


def _add(
    parser: argparse.ArgumentParser, run: Callable[[Client, argparse.Namespace], int], *flags: str
) -> None:
    parser.set_defaults(run=run)
    if "--json" in flags:
        parser.add_argument("--json", action="store_true", help="JSON instead of a table.")
    if "--wait" in flags:
        parser.add_argument("--wait", type=int, default=0, metavar="SECONDS")
    if "--dry-run" in flags:
        parser.add_argument("--dry-run", action="store_true", help="Show what would change.")


# --- Commands


def _list_runners(client: Client, options: argparse.Namespace) -> int:
    rows = list(client.rows("runners", q=options.query))
    if options.json:
        _print_json(rows)
        return OK
    columns = ("pk", "account", "name", "status", "size", "group", "maximum_runners")
    flat = [{**row, "size": row["machine_size_details"]["id"]} for row in rows]
    _print_table(columns, flat)
    return OK


def _show_runner(client: Client, options: argparse.Namespace) -> int:
    row = _runner(client, options)
    if options.json:
        _print_json(row)
        return OK
    for name, value in row.items():
        print(f"{name}: {value if isinstance(value, str) else json.dumps(value)}")
    return OK


def _create(client: Client, options: argparse.Namespace) -> int:
    image = _named(client.rows("images", account=options.account), options.image, "image")
    body = {
        "name": options.name,
        "image": {"id": image["id"], "source": image["source"]},
        "size": options.size,
        "runner_group_id": _group_id(client, options.account, options.group),
        "maximum_runners": options.maximum,
        "enable_static_ip": options.static_ip,
    }
    return _finish(client, options, "POST", f"accounts/{options.account}/runners", body)


def _edit(client: Client, options: argparse.Namespace) -> int:
    row = _runner(client, options)
    wanted = {
        "name": options.new_name,
        "size": options.size,
        "maximum_runners": options.maximum,
        "enable_static_ip": None if options.static_ip is None else options.static_ip == "yes",
        "runner_group_id": options.group and _group_id(client, row["account"], options.group),
    }
    body = {name: value for name, value in wanted.items() if value is not None}
    return _finish(client, options, "PATCH", f"runners/{row['pk']}", body)


def _delete(client: Client, options: argparse.Namespace) -> int:
    row = _runner(client, options)
    if not options.yes and not options.dry_run:
        answer = input(f"Type {row['name']} to delete it in {row['account']}: ")
        if answer.strip() != row["name"]:
            raise Failed("Nothing was deleted.", INVALID)
    return _finish(client, options, "DELETE", f"runners/{row['pk']}")


def _operation(client: Client, options: argparse.Namespace) -> int:
    return _follow(client, f"operations/{options.id}", options)


def _explain(client: Client, options: argparse.Namespace) -> int:
    path = f"accounts/{options.account}/explain"
    rows = client.get(path, repository=options.repository, workflow=options.workflow)["rows"]
    if options.json:
        _print_json(rows)
        return OK
    for row in rows:
        print(f"{row['verdict']:<8} {row['runner']} ({row['group'] or 'no group'})")
        for step in row["steps"]:
            if step["verdict"] == row["verdict"] != "yes":
                print(f"         {step['words']} {step['remedy']}".rstrip())
    return OK


def _ips(client: Client, options: argparse.Namespace) -> int:
    answer = client.get("static-ips", account=options.account, group=options.group)
    if options.json:
        _print_json(answer)
        return OK
    for cidr in dict.fromkeys(row["range"] for row in answer["rows"] if row["enabled"]):
        print(cidr)
    return OK


def _export(client: Client, options: argparse.Namespace) -> int:
    if options.into:
        if options.format != "terraform":
            raise Failed("--into is for terraform alone.", INVALID)
        params = {"q": options.query, "archive": "true"}
        answer = client.send("GET", "export/terraform", params=params)
        with zipfile.ZipFile(BytesIO(answer.content)) as archive:
            archive.extractall(options.into)
            print("\n".join(str(options.into / name) for name in archive.namelist()))
        return OK
    if options.format == "terraform":
        answer = client.send("GET", "export/terraform", params={"q": options.query})
    else:
        params = {"q": options.query, "format": options.format}
        answer = client.send("GET", "export/settings", params=params)
    sys.stdout.write(answer.content.decode())
    return OK


# --- Helpers of several commands


def _runner(client: Client, options: argparse.Namespace) -> Row:
    if options.runner.isdecimal():
        found: Row = client.get(f"runners/{options.runner}")
        return found
    rows = client.rows("runners", q=options.runner, account=options.account)
    return _named(rows, options.runner, "runner")


def _group_id(client: Client, account: str, group: str) -> int:
    if group.isdecimal():
        return int(group)
    return int(_named(client.rows("groups", account=account), group, "runner group")["id"])


def _named(rows: Iterator[Row], name: str, noun: str) -> Row:
    found = [row for row in rows if name.lower() in (row["name"].lower(), str(row["id"]).lower())]
    if len(found) != 1:
        many = "is the name of more than one" if found else "is the name of no"
        raise Failed(f"{name} {many} {noun}.", NOT_FOUND)
    return found[0]


def _finish(
    client: Client, options: argparse.Namespace, method: str, path: str, body: Row | None = None
) -> int:
    """Send a write; show what it would change, or follow its operation."""
    if options.dry_run:
        preview = client.write(method, path, body, dry_run=1)
        if options.json:
            _print_json(preview)
        else:
            for change in preview["changes"]:
                print(f"{change['field']}: {change['before']} -> {change['after']}")
        return OK
    operation = client.write(method, path, body)["operation"]
    return _follow(client, f"operations/{operation['id']}", options)


def _follow(client: Client, path: str, options: argparse.Namespace) -> int:
    """Show an operation, after waiting for its outcome if asked to."""
    deadline = time.monotonic() + options.wait
    shown = ""
    while True:
        row = client.get(path)
        if row["state"] != shown and options.wait and sys.stderr.isatty():
            print(f"{row['state']} …", file=sys.stderr)
        shown = row["state"]
        if row["is_finished"] or row["needs_person"] or time.monotonic() >= deadline:
            break
        time.sleep(CHECK_SECONDS)

    if options.json:
        _print_json(row)
    else:
        print(f"{row['id']} {row['kind']} {row['target_name']}: {row['state']}. {row['reason']}")
    if row["state"] in ("rejected", "cancelled"):
        return REJECTED
    if options.wait and not row["is_finished"]:
        return UNFINISHED
    return OK


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


def _print_table(columns: Sequence[str], rows: Sequence[Row]) -> None:
    texts = [
        [str(row[column] if row[column] is not None else "") for column in columns] for row in rows
    ]
    widths = [max(map(len, each)) for each in zip(columns, *texts, strict=True)]
    for line in (columns, *texts):
        print(
            "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        )


if __name__ == "__main__":
    sys.exit(main())
