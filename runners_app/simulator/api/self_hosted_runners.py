"""Self-hosted runners: just enough to tell them apart from larger runners."""

from zlib import crc32

from runners_app.simulator.api.call import Call, wrapped_page
from runners_app.simulator.api.wire import Body, Response, refuse
from runners_app.simulator.world.state import Machine

DOCS = "/actions/self-hosted-runners"


def describe_machine(machine: Machine) -> Body:
    return {
        "id": machine.id,
        "runner_group_id": machine.group_id,
        "name": machine.name,
        "os": machine.os,
        "status": machine.status,
        "busy": machine.busy,
        "ephemeral": False,
        "version": "2.330.0",
        "labels": _labels(machine),
    }


def _labels(machine: Machine) -> list[Body]:
    given = (
        "self-hosted",
        machine.architecture,
        {"linux": "Linux", "windows": "Windows"}.get(machine.os, machine.os),
    )
    names = [(name, "read-only") for name in given] + [(name, "custom") for name in machine.labels]
    return [
        {"id": crc32(name.encode()) % 10_000, "name": name, "type": kind} for name, kind in names
    ]


def list_machines(call: Call) -> Response:
    machines = list(call.account.machines.values())
    if name := call.request.query.get("name"):
        machines = [machine for machine in machines if machine.name == name]
    response = wrapped_page(call, "runners", machines)
    response.body["runners"] = [describe_machine(machine) for machine in response.body["runners"]]
    return response


def get_machine(call: Call) -> Response:
    return Response(200, describe_machine(call.machine()))


def delete_machine(call: Call) -> Response:
    machine = call.machine()
    if machine.busy:
        raise refuse(422, f"Runner {machine.name} is running a job and cannot be deleted.", DOCS)
    del call.account.machines[machine.id]
    return Response(204)


def list_labels(call: Call) -> Response:
    labels = _labels(call.machine())
    return Response(200, {"total_count": len(labels), "labels": labels})
