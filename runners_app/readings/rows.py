"""The columns an item of GitHub becomes, and a hash to compare them."""

from hashlib import sha256
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

Values = dict[str, Any]  # column → value

_encoder = DjangoJSONEncoder(sort_keys=True, separators=(",", ":"))


def hash_of(values: Values) -> str:
    """SHA-256 of the values in hexadecimal; rows with the stored hash are not written again."""
    return sha256(_encoder.encode(values).encode()).hexdigest()
