"""Redacting secrets from text at the very end, when exceptions and values have become a log line.

Two rules: text with the shape of a secret (GitHub's tokens, JWTs, private keys, our sealed secrets)
is redacted, and so is every secret this process has seen (`hide`), also as it looks in a URL, in
JSON, escaped, or in base64. Settings import this module, so it imports nothing from Django.
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
    r"|ts_[A-Za-z0-9_\-]{40,}"
    # Bounded and possessive: a long eyJeyJeyJ… would take minutes otherwise.
    r"|eyJ[A-Za-z0-9_\-]{10,1000}+\.[A-Za-z0-9_\-]{10,}+\.[A-Za-z0-9_\-]*"
    r"|gAAAA[A-Za-z0-9_\-]{40,}={0,2}"
    r"|hpke1\.[0-9a-f]{8}\.[A-Za-z0-9_\-]{40,}={0,2}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)"
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"
    r"|xox[a-z]-[A-Za-z0-9\-]{10,}"
    r"|(?<=hooks\.slack\.com/)[A-Za-z0-9/_\-]{10,}"
    r"|(?<=/api/webhooks/)[0-9]+/[A-Za-z0-9_\-]+"
    r"|(?<=webhook\.office\.com/)[A-Za-z0-9/@_\-]{10,}"
    r"|(?<![0-9A-Za-z])[0-9a-f]{40}(?![0-9A-Za-z])",  # GitHub's tokens before 2021, and commits
    re.DOTALL,
)
SHORTEST, KEY = 8, 6
PRIVATE_KEY, MOST_PARTS = "-----BEGIN", 100
# How many secrets of each kind are kept. Typed ones have a limit of their own, because anyone can
# type thousands and must not evict others.
MOST = {"settings": math.inf, "stored": 2000, "typed": 200}

_remembered: dict[str, "OrderedDict[str, set[str]]"] = {kind: OrderedDict() for kind in MOST}
_holders: "Counter[str]" = Counter()
_by_beginning: dict[str, tuple[str, ...]] = {}
_lock = Lock()


def hide(secret: str, kind: str = "stored") -> None:
    """Redact this secret from all text from now on; of a private key, also each of its lines.

    `kind` is a key of MOST.
    """
    lines = secret.split("\n")[:MOST_PARTS] if PRIVATE_KEY in secret else []
    for part in {secret.strip(), *lines}:
        if len(part.strip()) >= SHORTEST and not part.startswith("-----"):
            _remember(part.strip(), kind)


def hide_address(address: str, kind: str = "stored") -> None:
    """Redact a secret address and each of its parts, which libraries log separately."""
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
    """Forget a variant, unless another secret has the same."""
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
    """The secret in a URL, in JSON, in HTML, in a repr, and in base64 at any offset."""
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
            # Without the characters that also depend on the neighbouring bytes.
            found.add(text[-(-before * 8 // 6) : len(text) - (1 if (before + len(raw)) % 3 else 0)])
    return {variant for variant in found if len(variant) >= SHORTEST}


def redact(text: str) -> str:
    """The text with every secret replaced by HIDDEN."""
    return SHAPES.sub(HIDDEN, _without_remembered(text))


def _without_remembered(text: str) -> str:
    if not _by_beginning:
        return text
    pieces, start, position, last = [], 0, 0, len(text) - SHORTEST
    while position <= last:
        candidates = _by_beginning.get(text[position : position + KEY], ())
        found = next((each for each in candidates if text.startswith(each, position)), None)
        if found is None:
            position += 1
            continue
        pieces += [text[start:position], HIDDEN]
        start = position = position + len(found)
    return "".join(pieces) + text[start:]
