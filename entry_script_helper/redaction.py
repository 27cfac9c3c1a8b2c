"""What may not reach a log: secrets. Logs are uploaded, kept for years and pasted into tickets.

A pattern's group named ``secret`` is replaced, or the whole match where there is no such group. Redacting twice
changes nothing: the replacement matches no pattern.
"""

from __future__ import annotations

import os
import re

from entry_script_helper.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

REPLACEMENT = "[REDACTED]"

# A quoted value goes as far as its closing quote, behind which no word goes on, or the end of the line where that is
# missing. In text that was quoted again, backslashes stand before both quotes, and more before a quote within the
# value: with n before the opening one, 2 (n + 1) stand for each backslash of the value's own, and the rest belongs to
# the quote: n for the closing one.
_OPENING = r"(?P<quote>(?P<depth>\\*)[\"'])"
_CLOSING = r"(?<!\\)(?:(?P=depth)\\(?P=depth)\\)*(?P=quote)(?:[^\w$]|\Z)"
_QUOTED = rf"(?:[^\\\"'\r\n]+|(?!{_CLOSING})[^\r\n])+"
# A bare value ends at white space, or at a quote or separator behind which something else begins. What was redacted
# before is passed over, unless something still hangs on to it.
_SEPARATOR = r"[&;,](?:\s|\Z|[\"'\\{\[]|[\w.%-]*[=:])|;[\w .%-]*="
_QUOTE_BEHIND = r"\\*[\"'](?:[\s,;:)\]}>&\\\"']|\Z)"
_MORE = rf"(?:[^\s\"'\\&;,]|\\+(?![\\\"'])|(?!{_QUOTE_BEHIND})\\*[\"']|(?!{_SEPARATOR})[&;,])"
_BARE = rf"(?!\[REDACTED\](?!{_MORE}))(?:[^\s\"'\\&;,]+|{_MORE})+"
_BRACED = r"\{[^}\r\n]*\}?|\[(?!REDACTED\])[^\]\r\n]*\]?"
# `key=value`, `"key": "value"`, `\"key\": \"value\"`, `'key': b'value'`, `key=Secret('value')`, `key={value}`.
_IS_VALUE = (
    r"\\*[\"']?[ \t]*(?:=|:|%3[Dd])[ \t]*(?:(?:[A-Za-z_.]+\()?[bru]?" + _OPENING + ")?"
    rf"(?P<secret>(?(quote){_QUOTED}|(?:(?:{_BRACED})(?:{_MORE})*|{_BARE})))"
)
_PASSWORD_KEY = r"(?ai:passw(?:or)?d|passphrase|pwd|(?:client|api|access|account|auth)[_-]?(?:secret|key|token))"  # noqa: S105
_NO_LETTER_BEFORE = r"(?:(?<![A-Za-z])|(?<=%3[Ff]))"
_ESCAPE_BEFORE = r"(?<=\\[nrt])|(?<=%[0-9A-Fa-f]{2})"

PATTERNS: dict[str, str] = {
    "shared access signature": rf"{_NO_LETTER_BEFORE}(?ai:sig(?:=|%(?:25)*3D|\\u003d))"
    r"(?:\\*[\"'])?(?P<secret>[A-Za-z0-9%/+=_.~-]+)",
    "bearer token": rf"(?:(?<![A-Za-z0-9_])|{_ESCAPE_BEFORE})(?ai:bearer)(?:\s|%20)+"
    r"(?P<secret>[A-Za-z0-9._~+/=-]{4,})",
    "JSON web token": rf"(?:(?<![A-Za-z0-9_-])|{_ESCAPE_BEFORE})eyJ[A-Za-z0-9_-]{{5,}}(?:\.[A-Za-z0-9_-]*){{2,4}}",
    "password or key": rf"(?:{_PASSWORD_KEY}|(?ai:SharedAccessKey|[\"']sig)){_IS_VALUE}",
    "password in a URL": r"://[^/\s:@\"']*:(?P<secret>(?!\[REDACTED\]@)[^/\s\"']+)@",
}
"""The built-in patterns, by what they find. Each is linear in the text: a message may have 64 MB."""

SIGNS: dict[str, tuple[str, ...]] = {
    "shared access signature": ("sig",),
    "bearer token": ("bearer",),
    "JSON web token": ("eyj",),
    "password or key": ("passw", "passphrase", "pwd", "secret", "key", "token", "sig"),
    "password in a URL": ("://",),
}
"""One of these is, in small letters, in every text in which the pattern finds something: to look for them takes a
twentieth of the time that the search takes."""

HARMLESS = bytes(code for code in range(0x20, 0x7F) if code not in b"=:%\\J")
"""What a text may consist of in which no pattern finds anything, if it does not hold "bearer" in whatever case either:
each pattern needs a sign between a name and its value, and a token begins with ``eyJ``."""

_SECRET_KEY = rf"{_PASSWORD_KEY}$|(?ai:AccountKey|SharedAccessKey|SharedAccessSignature|^sig|^authorization)$"

_SHORTEST_TOKEN = 8
_MOST_KEYS = 1000


class Redactor:
    """Replaces secrets in text.

    Args:
        patterns: More regular expressions, beside `PATTERNS`.
        token: A secret known as it is, such as the value of ``AZUREML_RUN_TOKEN``.

    Raises:
        UsageError: A pattern is not a regular expression.
    """

    def __init__(self, patterns: Iterable[str | re.Pattern[str]] = (), token: str | None = None) -> None:
        try:
            self._own = [re.compile(pattern) for pattern in patterns]
            for pattern in self._own:
                pattern.search("")  # one of bytes can't search text
        except (re.error, TypeError) as error:
            message = f"redact: a pattern is not a regular expression: {error}"
            raise UsageError(message) from error
        # Now, and not with the first record: a signal handler that logs would begin the same again and again.
        self._built_in = [(SIGNS[name], _compiled(pattern).sub) for name, pattern in PATTERNS.items()]
        self._secret_key = _compiled(_SECRET_KEY)
        token = (token or "").strip()
        self._token = token if len(token) >= _SHORTEST_TOKEN else None
        self._keys: dict[str, bool] = {}
        self.knows_harmless_text = not self._own and bool(
            (self._token or "=").encode("utf-8", "replace").strip(HARMLESS)
        )
        """Whether text of `HARMLESS` characters, without "bearer", is left as it is."""

    def __call__(self, text: str) -> str:
        """Return *text* with every secret in it replaced by `REPLACEMENT`."""
        if not text:  # though a pattern of the user's own may find something in nothing
            return text
        if self._token and self._token in text:
            text = text.replace(self._token, REPLACEMENT)
        folded = text.casefold()
        for signs, substitute in self._built_in:
            for sign in signs:
                if sign in folded:
                    text = substitute(_replace, text)
                    break
        for pattern in self._own:
            text = pattern.sub(_replace, text)
        return text

    def is_secret_key(self, key: str) -> bool:
        """Tell whether the value under this key of a mapping is a secret whatever it looks like."""
        known = self._keys.get(key)
        if known is None:
            if len(self._keys) >= _MOST_KEYS:
                self._keys.clear()
            known = self._keys[key] = bool(self._secret_key.search(key))
        return known


def from_environment(redact: bool | Iterable[str | re.Pattern[str]]) -> Redactor | None:  # noqa: FBT001 - config()'s argument
    """Return the redactor for an argument ``redact``: True, False (no redactor), or more patterns."""
    if redact is False:
        return None
    if redact is True:
        redact = ()
    elif isinstance(redact, (str, re.Pattern)):
        redact = (redact,)
    return Redactor(redact, os.environ.get("AZUREML_RUN_TOKEN"))


_cache: dict[str, re.Pattern[str]] = {}


def _compiled(pattern: str) -> re.Pattern[str]:
    # Compiled for the first redactor: the patterns take longer to compile than the package to import.
    if pattern not in _cache:
        _cache[pattern] = re.compile(pattern)
    return _cache[pattern]


def _replace(match: re.Match[str]) -> str:
    secret = match.groupdict().get("secret")
    if secret is None:
        return REPLACEMENT
    start = match.start("secret") - match.start()
    whole = match.group()
    return f"{whole[:start]}{REPLACEMENT}{whole[start + len(secret) :]}"
