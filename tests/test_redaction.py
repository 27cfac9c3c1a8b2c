"""Secrets do not reach a log."""

from __future__ import annotations

import json
import re
import string
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from entry_script_helper import UsageError, redaction
from entry_script_helper.redaction import PATTERNS, REPLACEMENT, Redactor

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dGhlLXNpZ25hdHVyZQ"

# Text, and what becomes of it: § stands for the replacement.
EXAMPLES = {
    "shared access signature": [
        (
            "https://a.blob.core.windows.net/c/b?sv=2020&sig=ab%2Bc%3D&se=2030",
            "https://a.blob.core.windows.net/c/b?sv=2020&sig=§&se=2030",
        ),
        ("?SIG=abc", "?SIG=§"),
        ("sig='abc+/='", "sig='§'"),
        ("https%3A%2F%2Fa%3Fsv%3D1%26sig%3Dab%252Bc%26se", "https%3A%2F%2Fa%3Fsv%3D1%26sig%3D§"),
        ("a%3Fsig%3Dabc", "a%3Fsig%3D§"),
        ("u%253Fsv%253D1%2526sig%253Dabc", "u%253Fsv%253D1%2526sig%253D§"),
        (r"sv=1\u0026sig=abc\u0026se=2", r"sv=1\u0026sig=§\u0026se=2"),
        (r"\u0026sig\u003dabc", r"\u0026sig\u003d§"),
        ("SharedAccessSignature sr=x&sig=abc&se=1", "SharedAccessSignature sr=x&sig=§&se=1"),
    ],
    "bearer token": [
        ("Authorization: Bearer abc.d-e_f~g+h/i=", "Authorization: Bearer §"),
        ("{'Authorization': 'bearer  abcdef'}", "{'Authorization': 'bearer  §'}"),
        ("Bearer%20abcdef", "Bearer%20§"),
    ],
    "JSON web token": [
        (f"token {JWT}, next", "token §, next"),
        (f'"{JWT}"', '"§"'),
        (rf"first\n{JWT}", r"first\n§"),
        (f"x%20{JWT}", "x%20§"),
        (f"{JWT}.initvector.tag", "§"),
        ("eyJhbGciOiJkaXIifQ..aXY.Y2lwaGVy.dGFn", "§"),
        ("eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.", "§"),
    ],
    "password or key": [
        ("{'sv': '1', 'sig': 'abc', 'se': '2'}", "{'sv': '1', 'sig': '§', 'se': '2'}"),
        ("{'sig': ['abc'], 'se': ['2']}", "{'sig': §, 'se': ['2']}"),
        (r"{\"sig\": \"abc\"}", r"{\"sig\": \"§\"}"),
        ("AccountName=a;AccountKey=abc/+d==;EndpointSuffix=core", "AccountName=a;AccountKey=§;EndpointSuffix=core"),
        ('{"AccountKey": "abc=="}', '{"AccountKey": "§"}'),
        ("accountkey = abc==", "accountkey = §"),
        (
            "Endpoint=sb://x/;SharedAccessKeyName=n;SharedAccessKey=abc=",
            "Endpoint=sb://x/;SharedAccessKeyName=n;SharedAccessKey=§",
        ),
        ("SharedAccessKey: abc", "SharedAccessKey: §"),
        ("password=abc", "password=§"),
        ("Server=x;Password=abc;Initial Catalog=y", "Server=x;Password=§;Initial Catalog=y"),
        ("PWD={a;b c};Next=1", "PWD=§;Next=1"),
        ("?passwd=abc&user=me", "?passwd=§&user=me"),
        ("passphrase: abc", "passphrase: §"),
        ("client_secret='a b'", "client_secret='§'"),
        ("api-key = abc", "api-key = §"),
        ("x-api-key: abc", "x-api-key: §"),
        ("ACCESS_TOKEN=abc", "ACCESS_TOKEN=§"),
        ("account_key=abc, auth_token=def", "account_key=§, auth_token=§"),
        ("{'password': b'abc'}", "{'password': b'§'}"),
        ("{b'password': b'abc'}", "{b'password': b'§'}"),
        ("Config(password='abc', user='me')", "Config(password='§', user='me')"),
        ("password=Hidden('abc')", "password=Hidden('§')"),
        ('"password": {"a": "b"}, "x": 1', '"password": §, "x": 1'),
        ('"password": ["a b", "c"], "x": 1', '"password": §, "x": 1'),
        ("password%3Dabc", "password%3D§"),
        ('{"password":"abc","user":"me"}', '{"password":"§","user":"me"}'),
        ('{"url":"/?password=abc","user":"me"}', '{"url":"/?password=§","user":"me"}'),
        ("KeyError('password=abc')", "KeyError('password=§')"),
        ('password="abc', 'password="§'),
        ("password=abc\nnext line", "password=§\nnext line"),
        ('password="abc\nnext line"', 'password="§\nnext line"'),
        ("password=[REDACTED]abc", "password=§"),
    ],
    "password in a URL": [
        ("postgres://user:abc@host/db", "postgres://user:§@host/db"),
        ("redis://:abc@host:6379/0", "redis://:§@host:6379/0"),
        ("pg://user:p@ss:w@host/db", "pg://user:§@host/db"),
        ("'amqp://u:abc@h'", "'amqp://u:§@h'"),
    ],
}

# Text that holds no secret, however like one some of it looks.
ORDINARY = [
    "",
    "plain text",
    "design=1 assignment: x, sigma=3",
    "the password was refused",
    "Enter password:\nhello",
    'password: ""',
    "password=",
    "bearer of news",
    "the key is 5, keys: a, b",
    "monkey=banana keyboard: us",
    "http://host:8080/path?a=b#c",
    "http://host:80/mail/a@b",
    "https://example.com/a:b and me@example.com",
    "time 10:00:00 @ noon",
    "eyJ is how a token starts, eyJhbGci.x is none",
    "['password', 'user']",
    "2019-11-21 10:00:00,123|EntryScript|INFO|12|34|init()|message",
]


@pytest.mark.parametrize(
    ("before", "after"), [pytest.param(*pair, id=f"{name}: {pair[0]}") for name in EXAMPLES for pair in EXAMPLES[name]]
)
def test_examples(before, after):
    """Of each kind of secret, in each usual form, the secret is replaced and all around it stays."""
    assert Redactor()(before) == after.replace("§", REPLACEMENT)


@pytest.mark.parametrize("name", PATTERNS)
def test_every_pattern_finds_its_examples(name):
    """Each pattern has examples, and finds them by itself."""
    pattern = re.compile(PATTERNS[name])
    assert all(pattern.search(before) for before, _ in EXAMPLES[name])


def test_every_example_has_a_pattern():
    """The examples are of the patterns that there are."""
    assert list(EXAMPLES) == list(PATTERNS)


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_is_not_changed(text):
    """Text without a secret stays as it is."""
    assert Redactor()(text) == text


@given(st.text(st.characters(codec="utf-8", exclude_characters=":=@.%"), max_size=200))
def test_text_without_an_assignment_is_not_changed(text):
    """Without the characters that assign a value or make a token, only what follows "bearer" can be a secret."""
    if "bearer" not in text.lower():
        assert Redactor()(text) == text


# A secret as a generator of passwords makes it: a core that nothing else in the text holds, among hard characters.
CORE = "Zq7Zq7Zq7"
AROUND = st.text(st.sampled_from("abcXYZ019-_.+/~!$%^*#@"), max_size=6)
SECRETS = st.builds(lambda before, after: f"{before}{CORE}{after}", AROUND, AROUND)
HARD = st.text(st.sampled_from("ab1'\"\\ ,;&={}[]()<>$\té"), max_size=6)
HARD_SECRETS = st.builds(lambda before, after: f"{before}{CORE}{after}", HARD, HARD)
KEYS = st.sampled_from(
    [
        "password",
        "PASSWD",
        "db_password",
        "pwd",
        "client_secret",
        "api_key",
        "access-token",
        "AccountKey",
        "SharedAccessKey",
    ]
)
USERS = st.sampled_from(["", "user", "a.b-c"])

BARE_FORMS = [
    "{key}={secret}",
    "{key}: {secret}",
    "{key} = {secret}",
    "before {key}={secret} after",
    "Server=x;{key}={secret};Initial Catalog=y",
    "/?a=1&{key}={secret}&b=2",
    "f({key}={secret}, b=2)",
    "Traceback:\n\traise E({key}={secret})\nE: x",
]
QUOTED_FORMS = {
    "a repr": lambda key, secret: repr({key: secret, "next": 1}),
    "a repr of bytes": lambda key, secret: repr({key: secret.encode(), "next": 1}),
    "a repr in a list": lambda key, secret: repr([[{"a": [], key: secret}]]),
    "a repr of a repr": lambda key, secret: repr([repr({key: secret})]),
    "JSON": lambda key, secret: json.dumps({"a": 1, key: secret, "b": 2}),
    "compact JSON": lambda key, secret: json.dumps({"a": 1, key: secret, "b": "x"}, separators=(",", ":")),
    "JSON with text as it is": lambda key, secret: json.dumps({key: secret}, ensure_ascii=False),
    "JSON in JSON": lambda key, secret: json.dumps({"body": json.dumps({key: secret, "b": 2})}),
    "JSON in JSON in JSON": lambda key, secret: json.dumps(json.dumps(json.dumps({key: secret, "b": 2}))),
    "a call": lambda key, secret: f"connect({key.replace('-', '_')}={secret!r}, timeout=3)",
    "pretty JSON": lambda key, secret: json.dumps({key: secret, "b": 2}, indent=2),
}
URL_FORMS = {
    "a query": lambda secret: f"https://h/p?sv=1&sig={quote(secret, safe='')}&se=2",
    "a quoted query": lambda secret: quote(f"https://h/p?sv=1&sig={quote(secret, safe='')}&se=2", safe=""),
    "a query in JSON": lambda secret: json.dumps({"url": f"https://h/p?sv=1&sig={quote(secret, safe='')}"}),
    "a database": lambda secret: f"postgresql://user:{quote(secret, safe='')}@host:5432/db",
    "a password alone": lambda secret: f"redis://:{quote(secret, safe='')}@host",
}


@given(KEYS, SECRETS, st.sampled_from(BARE_FORMS))
def test_no_bare_secret_survives(key, secret, form):
    """A secret that is assigned without quotes does not survive, and what is assigned behind it does."""
    text = form.format(key=key, secret=secret)
    redacted = Redactor()(text)
    assert CORE not in redacted
    assert text[: text.index(secret)] in redacted
    for kept in ("after", "Initial Catalog=y", "&b=2", "b=2)", "\nE: x"):
        assert (kept in redacted) == (kept in text)


@given(KEYS, HARD_SECRETS, st.sampled_from(sorted(QUOTED_FORMS)))
@example("password", f'a"{CORE}', "JSON in JSON")
@example("password", f'"{CORE}', "a repr")
@example("password", f"\\{CORE}", "JSON in JSON in JSON")
def test_no_quoted_secret_survives(key, secret, form):
    """A secret in quotes does not survive, whatever characters it has and however often the text was quoted."""
    if form == "a repr of a repr" and '"' in secret:
        return  # repr does not escape the quotes of the text inside: nobody could tell where the secret ends
    assert CORE not in Redactor()(QUOTED_FORMS[form](key, secret))


@given(HARD_SECRETS, st.sampled_from(sorted(URL_FORMS)))
def test_no_secret_in_a_url_survives(secret, form):
    """A signature or password in a URL, quoted as URLs are, does not survive."""
    assert CORE not in Redactor()(URL_FORMS[form](secret))


@given(
    st.text(st.sampled_from(string.ascii_letters + string.digits + "-_"), min_size=8, max_size=60).map("x1y2{}".format),
    st.data(),
)
def test_no_token_survives(token, data):
    """A bearer token or JSON web token does not survive in any surroundings."""
    before = data.draw(st.sampled_from(["", " ", "'", '"', '\\"', "(", "=", ":", "\n", "\\n", "%20", "/", "é"]))
    after = data.draw(st.sampled_from(["", " ", "'", '"', "\\n", ",", ";", ")", "\n", "é"]))
    for text in (f"{before}eyJ{token}.{token}.{token}{after}", f"{before or ' '}Bearer {token}{after}"):
        assert token not in Redactor()(text)


FRAGMENTS = st.sampled_from(
    [
        *"ab1 '\"\\,;&=:@/{}[]()%.\n",
        *[
            "password",
            "pwd",
            "sig",
            "sig=",
            "AccountKey",
            "SharedAccessKey",
            "bearer ",
            "eyJabcdef",
            "://",
            "://u:",
            "api_key",
        ],
        *["%3D", "%26", "%3F", "\\u0026", "[REDACTED]", "REDACTED", "=[", '="', "\\\\", '\\"', "b'", "X('", "TOKEN789"],
    ]
)


@given(st.lists(FRAGMENTS, max_size=25).map("".join))
@example("password=TOKEN789abc")
@example("password=[TOKEN789a")
@example("://u:TOKEN789x@h@")
@example("password=[REDACTED]")
@example("password='[REDACTED]'")
@example("pwd=[REDACTED]&sig=[REDACTED]")
def test_redacting_twice_changes_nothing(text):
    """Redaction is idempotent."""
    redactor = Redactor(token="TOKEN789")
    once = redactor(text)
    assert redactor(once) == once


@given(st.lists(FRAGMENTS, max_size=25).map("".join))
def test_the_signs_hide_nothing(text):
    """A text without any sign of a pattern has nothing that the pattern would find."""
    for name, pattern in PATTERNS.items():
        if re.search(pattern, text):
            assert any(sign in text.casefold() for sign in redaction.SIGNS[name])


COST_FORMS = [
    'password={0}"{0}',
    "{0}",
    "password{0}=",
    "password={0}",
    "sig{0}",
    "bearer{0}",
    "eyJ{0}",
    "://{0}",
    "://a:{0}",
]
COST_UNITS = [
    "\\",
    "a,",
    " ",
    "'a",
    '\\"',
    "password=",
    'pwd="',
    "eyJ",
    "eyJaaaaaa.",
    "bearer ",
    "://a:",
    "@",
    "%25",
    "x(",
    "{",
    "[",
]


@pytest.mark.parametrize("form", COST_FORMS)
@pytest.mark.parametrize("unit", COST_UNITS)
def test_hostile_text_ends(form, unit):
    """Text made to be searched for ever is done with at once: a quadratic search of it would take hours."""
    text = form.format(unit * (200_000 // len(unit)))
    redacted = Redactor()(text)
    assert len(redacted) <= len(text) + len(REPLACEMENT) * text.count(unit) + 1


def test_a_token_of_the_environment_is_redacted(monkeypatch):
    """The value of AZUREML_RUN_TOKEN is replaced wherever it stands, though it looks like nothing."""
    monkeypatch.setenv("AZUREML_RUN_TOKEN", "  opaque value 1 \n")
    redactor = redaction.from_environment(redact=True)
    assert redactor("a opaque value 1b") == "a [REDACTED]b"


@pytest.mark.parametrize("token", [None, "", "  ", "short", "a" * 7])
def test_a_token_too_short_to_be_one_is_not_looked_for(token):
    """A value that ordinary text could hold is not replaced in it."""
    assert Redactor(token=token)("a short text, aaaaaaaaaa") == "a short text, aaaaaaaaaa"


def test_user_patterns():
    """A user's own patterns are replaced as a whole, or by their group ``secret``."""
    redactor = Redactor([r"card \d+", re.compile(r"pin=(?P<secret>\d+)"), r"(?P<secret>x)?y"])
    assert redactor("card 123, pin=45; y password=a") == "[REDACTED], pin=[REDACTED]; [REDACTED] password=[REDACTED]"


@pytest.mark.parametrize("redact", ["card", re.compile("card"), ["card"], iter(["card"]), {"card"}])
def test_one_pattern_or_several(redact):
    """``redact`` takes one pattern or several, of any kind, beside the built-in ones."""
    redactor = redaction.from_environment(redact)
    assert redactor("card password=abc") == "[REDACTED] password=[REDACTED]"


def test_false_turns_it_off():
    """``redact=False`` leaves everything."""
    assert redaction.from_environment(redact=False) is None


@pytest.mark.parametrize("redact", ["(", ["a", "["], [5], 5, None, b"x", [rb"x"], [re.compile(rb"x")]])
def test_what_is_no_pattern_is_a_mistake(redact):
    """What can't be meant as a pattern is said when it is given, not when something is logged."""
    with pytest.raises(UsageError, match="redact: a pattern is not a regular expression"):
        redaction.from_environment(redact)


@pytest.mark.parametrize(
    ("key", "secret"),
    [
        ("password", True),
        ("DB_PASSWORD", True),
        ("client_secret", True),
        ("apiKey", True),
        ("AccountKey", True),
        ("SharedAccessSignature", True),
        ("sig", True),
        ("Authorization", True),
        ("signal", False),
        ("design", False),
        ("password_length", False),
        ("tokens", False),
        ("key", False),
    ],
)
def test_keys_whose_values_are_secret(key, secret):
    """Under a key that says so, any value is a secret."""
    assert Redactor().is_secret_key(key) is secret


def test_keys_that_are_known_are_bounded(monkeypatch):
    """What is remembered of keys never takes more room than so much."""
    monkeypatch.setattr(redaction, "_MOST_KEYS", 2)
    redactor = Redactor()
    assert [redactor.is_secret_key(key) for key in ("a", "password", "b", "password")] == [False, True, False, True]
    assert len(redactor._keys) == 2
