"""From GitHub's types to the columns of our rows."""

from hashlib import sha256
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

Values = dict[str, Any]


_encoder = DjangoJSONEncoder(sort_keys=True, separators=(",", ":"))


def hash_of(values: Values) -> str:
    """Equal content, equal hash: what is equal is not written."""
    return sha256(_encoder.encode(values).encode()).hexdigest()
