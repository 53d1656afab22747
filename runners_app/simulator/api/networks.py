"""Network configurations, which give the runners of a group a private network."""

from runners_app.simulator.api.call import Call, wrapped_page
from runners_app.simulator.api.wire import Body, Response, not_found
from runners_app.simulator.world import lifecycle
from runners_app.simulator.world.state import NetworkConfiguration


def describe(network: NetworkConfiguration) -> Body:
    return {
        "id": network.id,
        "name": network.name,
        "compute_service": network.compute_service,
        "network_settings_ids": network.network_settings_ids,
        "created_on": lifecycle.timestamp(network.created_on),
    }


def list_network_configurations(call: Call) -> Response:
    """GET /orgs/{org}/settings/network-configurations, or an enterprise's."""
    response = wrapped_page(call, "network_configurations", list(call.account.networks.values()))
    found = response.body["network_configurations"]
    response.body["network_configurations"] = [describe(network) for network in found]
    return response


def get_network_configuration(call: Call) -> Response:
    network = call.account.networks.get(call.params["network_configuration"])
    if network is None:
        raise not_found("/orgs/network-configurations")
    return Response(200, describe(network))
