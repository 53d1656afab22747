"""GitHub's field names and values in words, available in every template."""

import json
import re
from datetime import datetime

from django import template
from django.http import QueryDict

register = template.Library()

LABELS = {
    "name": "Name",
    "status": "Status",
    "platform": "Platform",
    "runner_group_id": "Runner group",
    "group_id": "Runner group",
    "maximum_runners": "Maximum runners",
    "enable_static_ip": "Static IPs",
    "static_ip": "Static IPs",
    "public_ips": "Static IP ranges",
    "image_id": "Image id",
    "image_source": "Image source",
    "image_version": "Image version",
    "image_name": "Image",
    "image_size_gb": "Image size in GB",
    "image_gen": "Builds images",
    "cpu_cores": "Cores",
    "memory_gb": "Memory in GB",
    "storage_gb": "Disk in GB",
    "size_gb": "Size in GB",
    "allows_public_repositories": "Public repositories",
    "inherited_allows_public_repositories": "Public repositories, set by the enterprise",
    "repositories_to_add": "Repositories to add",
    "repositories_to_remove": "Repositories to remove",
    "repositories_added": "Repositories added",
    "repositories_removed": "Repositories removed",
    "access_list_add": "Added to the access list",
    "access_list_remove": "Removed from the access list",
    "restricted_to_workflows": "Restricted to workflows",
    "network_configuration_id": "Network configuration",
    "versions_count": "Versions",
    "state_details": "State details",
    "created_on": "Created",
    "api_url": "API",
}


@register.filter
def field_label(name: object) -> str:
    """`maximum_runners` → "Maximum runners"."""
    return LABELS.get(str(name)) or str(name).replace("_", " ").replace(".", " ").capitalize()


@register.filter
def sentence_case(text: str) -> str:
    """`Change Password` → "Change password", for fixed texts of other packages, never for names."""
    first, *others = re.split(r"(?<=[ -])(?=[A-Z][a-z]+\b)", text.strip())
    return first + "".join(word[0].lower() + word[1:] for word in others)


@register.filter
def dollars(amount: float) -> str:
    """`66.0` → "$66.00"."""
    return f"${amount:,.2f}"


@register.filter
def values_of(query: QueryDict, name: str) -> list[str]:
    """All values of one query parameter, to repeat them as hidden fields of a form."""
    return [str(value) for value in query.getlist(name)]


@register.filter
def plain_value(value: object) -> str:
    """A value of GitHub's API in words: yes, no, none, an IP range, a list."""
    if value is None or value == "" or value == []:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.strftime("%-d %B %Y, %H:%M UTC")
    if isinstance(value, dict):
        is_range = {"prefix", "length"} <= value.keys()
        if is_range:
            return f"{value['prefix']}/{value['length']}"
        return ", ".join(
            f"{field_label(name)}: {plain_value(each)}" for name, each in value.items()
        )
    if isinstance(value, list | tuple):
        return ", ".join(plain_value(item) for item in value)
    return str(value)


# In this order: Edge and Opera also call themselves Chrome, and Chrome calls itself Safari.
BROWSERS = (
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("Firefox", "Firefox"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
    ("curl", "curl"),
)
SYSTEMS = (
    ("Windows", "Windows"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Mac OS", "macOS"),
    ("Android", "Android"),
    ("Linux", "Linux"),
)


@register.filter
def browser_name(user_agent: str) -> str:
    """`Mozilla/5.0 (X11; Linux x86_64) … Firefox/140.0` → "Firefox on Linux"."""
    browser = next((name for part, name in BROWSERS if part in user_agent), "Unknown browser")
    system = next((name for part, name in SYSTEMS if part in user_agent), "")
    return f"{browser} on {system}" if system else browser


# Words that YAML 1.1 or 1.2 reads as true, false or nothing.
YAML_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null"})
YAML_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")


@register.filter
def yaml_string(text: object) -> str:
    """A text as YAML reads it back as that text: in quotes unless it clearly needs none."""
    plain = str(text)
    if YAML_PLAIN.fullmatch(plain) and plain.lower() not in YAML_WORDS:
        return plain
    return json.dumps(plain, ensure_ascii=False)
