"""Taking secrets out of text, at the very end: after exceptions, tracebacks and values have become
a line of a log.

Two nets. Whatever looks like a secret (GitHub's tokens, JWTs, private keys, what we sealed) is
taken out by its shape. Whatever this process has seen as a secret (`hide`) is taken out by its
value, also as it looks within an address, within JSON, escaped, or in base64. Imports nothing from
Django.
"""

import base64
import json
import math
import re
from collections import Counter, OrderedDict
from html import escape
from threading import Lock
from urllib.parse import quote, quote_plus

HIDDEN = "[hidden]"
SHAPES = re.compile(
    r"gh[pousr]_[A-Za-z0-9_.\-]{20,}"
    r"|github_pat_[A-Za-z0-9_]{20,}"
    r"|eyJ[A-Za-z0-9_\-]{10,1000}+\.[A-Za-z0-9_\-]{10,}+\.[A-Za-z0-9_\-]*"  # bounded: else eyJeyJ… takes minutes
    r"|gAAAA[A-Za-z0-9_\-]{40,}={0,2}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)",
    re.DOTALL,
)
SHORTEST, KEY = 8, 6
PRIVATE_KEY, MOST_PARTS = "-----BEGIN", 100
# How many are kept of each kind. Anybody can type thousands, which then push out nothing but what
# was typed.
MOST = {"settings": math.inf, "stored": 2000, "typed": 200}

_remembered: dict[str, "OrderedDict[str, set[str]]"] = {kind: OrderedDict() for kind in MOST}
_holders: "Counter[str]" = Counter()
_by_beginning: dict[str, tuple[str, ...]] = {}
_lock = Lock()


def hide(secret: str, kind: str = "stored") -> None:
    """Take this secret out of every text from now on. Of a private key, each line by itself too."""
    lines = secret.split("\n")[:MOST_PARTS] if PRIVATE_KEY in secret else []
    for part in {secret.strip(), *lines}:
        if len(part.strip()) >= SHORTEST and not part.startswith("-----"):
            _remember(part.strip(), kind)


def hide_address(address: str, kind: str = "stored") -> None:
    """An address that is a secret, and each part of it: libraries write path and host apart."""
    hide(address, kind)
    for part in re.split(r"[/?&=@:]+", address.partition("://")[2])[:MOST_PARTS]:
        hide(part, kind)


def _remember(secret: str, kind: str) -> None:
    with _lock:
        kept = _remembered[kind]
        if secret in kept:
            kept.move_to_end(secret)
            return
        kept[secret] = _variants(secret)
        for variant in kept[secret]:
            _hold(variant)
        while len(kept) > MOST[kind]:
            for variant in kept.popitem(last=False)[1]:
                _let_go(variant)


def _hold(variant: str) -> None:
    _holders[variant] += 1
    same = {*_by_beginning.get(variant[:KEY], ()), variant}
    _by_beginning[variant[:KEY]] = tuple(sorted(same, key=len, reverse=True))


def _let_go(variant: str) -> None:
    """Unless another secret looks the same."""
    _holders[variant] -= 1
    if _holders[variant]:
        return
    del _holders[variant]
    others = tuple(each for each in _by_beginning[variant[:KEY]] if each != variant)
    if others:
        _by_beginning[variant[:KEY]] = others
    else:
        del _by_beginning[variant[:KEY]]


def _variants(secret: str) -> set[str]:
    """As it looks in an address, in JSON, in HTML, in a repr, and in base64 wherever it begins."""
    found = {
        secret,
        quote(secret, safe=""),
        quote(secret),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        escape(secret),
        repr(secret)[1:-1],
    }
    raw = secret.encode("utf-8", "replace")
    for before in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            text = encode(b"\0" * before + raw).decode().rstrip("=")
            # Without the characters that what stands before and after has a part in.
            found.add(text[-(-before * 8 // 6) : len(text) - (1 if (before + len(raw)) % 3 else 0)])
    return {variant for variant in found if len(variant) >= SHORTEST}


def redact(text: str) -> str:
    """The text without secrets."""
    return SHAPES.sub(HIDDEN, _without_remembered(text))


def _without_remembered(text: str) -> str:
    if not _by_beginning:
        return text
    pieces, start, position, last = [], 0, 0, len(text) - SHORTEST
    while position <= last:
        candidates = _by_beginning.get(text[position : position + KEY])
        found = (
            next((each for each in candidates if text.startswith(each, position)), None)
            if candidates
            else None
        )
        if found is None:
            position += 1
            continue
        pieces += [text[start:position], HIDDEN]
        start = position = position + len(found)
    return "".join(pieces) + text[start:]
