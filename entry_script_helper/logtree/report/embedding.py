"""Values as JSON that can stand in a page: no parser of HTML or of scripts takes any of it for its own."""

from __future__ import annotations

import json

_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})
"""These only stand within JSON's strings, where they may be written so (RFC 8259, section 7)."""


def embedded(value: object) -> str:
    r"""Return plain values as JSON for a ``<script type="application/json">``.

    No ``</script>`` and no ``<!--`` can be in it, whatever the texts are, and a lone surrogate, which UTF-8 can't hold,
    is written out as JSON writes it.

    Raises:
        ValueError: A number is not finite.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.translate(_ESCAPES).encode("utf-8", "backslashreplace").decode()
