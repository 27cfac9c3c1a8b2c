"""What the tests of the log tree reader share: files that need no disk, complaints, texts that logs may hold."""

from __future__ import annotations

from hypothesis import strategies as st


class Bytes:
    """An entry that is bytes in memory; it can be written to while it is read."""

    def __init__(self, data, path="logs/user/10.0.0.4/Process-1.txt", modified=0.0):
        self.data, self.path, self.location = data, path, path
        self._modified = modified
        self.reads = 0
        self.error = None

    def identity(self):
        return self.path

    def again(self):
        return self

    def size(self):
        return len(self.data)

    def modified(self):
        return self._modified

    def read(self, offset, length):
        self.reads += 1
        if self.error:
            raise self.error
        return self.data[offset : offset + length]


class Heard:
    """Complaints, remembered."""

    def __init__(self):
        self.heard = []

    def add(self, path, trouble, detail=""):
        if (path, trouble) not in self.heard:
            self.heard.append((path, trouble))

    def failed(self, path, error):
        self.add(path, str(error))


def _times(draw):
    second, fraction = draw(st.integers(0, 59)), draw(st.integers(0, 999999))
    day, clock = f"2026-01-{draw(st.integers(10, 12))}", f"10:00:{second:02d}"
    return draw(
        st.sampled_from(
            [
                f"{day} {clock},{fraction // 1000:03d}|score|INFO|4711|14|run()|",
                f"{day} {clock},{fraction // 1000:03d}|ERROR|4711|",
                f"{day}T{clock}.{fraction:06d} ",
                f"[{day} {clock}Z] ",
                f"{day.replace('-', '/')} {clock} WARNING mlflow: ",
                f"{day}T{clock}.{fraction:06d}+09:00 ",
                f'{{"timestamp": "{day}T{clock}.{fraction:06d}Z", "event": "',
                f'{{"event": "a", "ts": {1769853600 + second}.{fraction:06d}, "b": "',
                f"{1769853600 + second}.{fraction:06d} ",
            ]
        )
    )


WORDS = st.text(st.sampled_from('ab é\x1b\t\u2028"{|:'), max_size=12)
TIMED = st.composite(_times)()
LINES = st.one_of(
    st.builds("{}{}".format, TIMED, WORDS),
    st.builds("\t{}".format, WORDS),
    WORDS,
    st.sampled_from(["Traceback (most recent call last):", '  File "a"', "ValueError: seven", "", '{"broken": ']),
)
TEXTS = st.lists(LINES, max_size=30).map("\n".join)
"""Logs of all shapes mixed, without a NUL and a byte order mark."""
OURS = st.lists(
    st.builds("2026-01-31 10:00:0{},{}00|a|INFO|1|2|f()|{}".format, st.integers(0, 9), st.integers(0, 9), WORDS),
    max_size=30,
).map("\n".join)
"""Logs in our text alone, with clocks that jump."""
