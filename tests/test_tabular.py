"""Tables as input: cut between records, loaded as DataFrames, grouped by key."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import pickle
import re
import subprocess
import sys

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pyarrow import parquet

from entry_script_helper.errors import MissingExtraError, UsageError
from entry_script_helper.simulator import inputs, settings, tablefiles, tabular


@pytest.fixture
def table(tmp_path, monkeypatch):
    """Write files and return the input that they make."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "score.py").write_text("def run(mini_batch):\n    return []\n")

    def make(files, input_format="csv", **options):
        for name, content in files.items():
            path = tmp_path / "in" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, pa.Table):
                parquet.write_table(content, path, row_group_size=options.pop("row_group_size", None))
            else:
                path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return inputs.of(settings.checked(script="score.py", input="in", input_format=input_format, **options))

    return make


def frames(table):
    """Load all mini-batches, each as a worker process would: after a journey through pickle."""
    return [pickle.loads(pickle.dumps(table.mini_batch(index))).load() for index in range(table.mini_batches)]


def records(table):
    return [list(frame.itertuples(index=False, name=None)) for frame in frames(table)]


def test_csv_by_size(table):
    """CSV is cut between lines into mini-batches of about the size, each with the header's columns."""
    made = table({"a.csv": "x,y\n1,a\n2,b\n3,c\n4,d\n", "b.csv": "x,y\n5,e"}, mini_batch_size=9)
    assert records(made) == [[(1, "a"), (2, "b"), (3, "c")], [(4, "d")], [(5, "e")]]
    assert (made.items, made.mini_batches) == (5, 3)
    assert [list(frame.index) for frame in frames(made)] == [[0, 1, 2], [0], [0]]
    assert made.mini_batch(0).dataset == [os.path.abspath("in/a.csv")]
    assert made.mini_batch(0).partition_key_value is None


def test_default_size(table):
    """A table is cut into mini-batches of about 1 MiB, unless another size is given."""
    line = "x" * 99 + "\n"
    made = table({"a.csv": "a\n" + line * 30_000})
    sizes = [piece.stop - piece.start for index in range(made.mini_batches) for piece in made.mini_batch(index).pieces]
    assert len(sizes) == 3
    assert sizes[:2] == [1024**2 + 100 - (1024**2 % 100)] * 2


QUOTED = 'x,y\n1,"a\nb"\n2,5" pipe\n3,"say ""hi"",\n\n""bye"""\n"4","d"\n5,"e"f"g\n'


@pytest.mark.parametrize("size", [1, 3, 7, 12, 30, 1000])
def test_quoted_newlines(table, size):
    """A quoted field may hold newlines, delimiters and doubled quotes: a record is never cut."""
    made = table({"a.csv": QUOTED}, mini_batch_size=size)
    whole = list(pd.read_csv(io.StringIO(QUOTED), dtype={"x": int}).itertuples(index=False, name=None))
    assert [record for batch in records(made) for record in batch] == whole
    assert made.items == len(whole) == 5


RAW = st.lists(st.sampled_from(['"', '""', ",", "\n", "a", " ", "\0", '"a"', ',"', '",'])).map("".join)


@hypothesis_settings(max_examples=500, deadline=None)
@given(text=RAW, delimiter=st.sampled_from([",", ";"]))
def test_law_of_quotes(text, delimiter):
    """The quick look at quotes says the same as the thorough one, on any text."""
    quick, thorough = tablefiles._Quoting(delimiter), tablefiles._Quoting(delimiter)
    thorough._within = re.compile(b"")
    data = text.encode()
    assert quick._look(data)[0] == thorough._look(data)[0]
    if not quick._look(data)[0]:
        assert quick._look(data) == thorough._look(data)


FIELDS = st.text(st.sampled_from('ab",;\n '), max_size=6)


@hypothesis_settings(max_examples=300, deadline=None)
@given(rows=st.lists(st.tuples(st.integers(), FIELDS, FIELDS), min_size=1), size=st.integers(1, 60), data=st.data())
def test_law_of_csv(tmp_path_factory, rows, size, data):
    """Whatever is in the fields, the mini-batches hold each record once, in order, and their counts are right."""
    quoting = data.draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]))
    ending = data.draw(st.sampled_from(["\n", "\r\n"]))
    text = io.StringIO()
    csv.writer(text, quoting=quoting, lineterminator=ending).writerows([("n", "a", "b"), *rows])
    path = tmp_path_factory.mktemp("law") / "a.csv"
    path.write_bytes(text.getvalue().encode())
    pieces = list(tablefiles.pieces(str(path), "csv", size, None))
    loaded = [tablefiles.rows_of_csv(piece, None, None, {"n": "str", "a": "str", "b": "str"}) for piece in pieces]
    assert [piece.rows for piece in pieces] == [len(frame) for frame in loaded]
    found = pd.concat(loaded).fillna("")
    assert list(found.itertuples(index=False, name=None)) == [(str(n), a, b) for n, a, b in rows]


def test_blank_lines_are_no_rows(table):
    """Blank lines are no rows, and a mini-batch that would be empty is none."""
    made = table({"a.csv": "\n\nx\n1\n\n \n\n2\n\n\n\n", "b.csv": "x\n", "c.csv": ""}, mini_batch_size=2)
    assert records(made) == [[(1,)], [(2,)]]
    assert made.items == 2


def test_a_table_without_rows(table):
    """An input that has no row at all is refused."""
    with pytest.raises(UsageError, match="the csv input has no rows: give files that have some"):
        table({"a.csv": "x,y\n"})


def test_missing_quote(table):
    """A quote that is never closed fails its mini-batch, with the file and the place."""
    made = table({"a.csv": 'x,y\n1,a\n2,"b\n3,c\n'}, mini_batch_size=1)
    assert made.mini_batches == 2
    assert records_of(made, 0) == [(1, "a")]
    with pytest.raises(tabular.TableError, match=r"a\.csv, bytes 8 to 17 can't be read as csv: .*EOF inside string"):
        made.mini_batch(1).load()


def records_of(table, index):
    return list(table.mini_batch(index).load().itertuples(index=False, name=None))


def test_delimiters(table):
    """A .tsv file has tabs between its columns, and any other character can be given."""
    assert records(table({"a.tsv": 'x\ty\n1\t"a\nb"\n'})) == [[(1, "a\nb")]]
    os.remove("in/a.tsv")
    assert records(table({"a.csv": 'x;y\n1;"a;b"\n'}, delimiter=";")) == [[(1, "a;b")]]


def test_jsonl(table):
    """JSON lines keep their types: a text of digits stays a text."""
    lines = [{"id": "007", "score": 1.5}, {"id": "8", "score": None}, {"id": "9", "more": [1]}]
    text = "\ufeff" + "\n".join(json.dumps(line) for line in lines)
    assert list(frames(table({"a.jsonl": text}, "jsonl"))[0]["id"]) == ["007", "8", "9"]
    made = table({"a.jsonl": text}, "jsonl", mini_batch_size=30)
    assert [len(frame) for frame in frames(made)] == [1, 2]
    assert frames(made)[1]["more"][1] == [1]


def test_bad_jsonl(table):
    """A line that is no JSON fails its mini-batch, with the file and the place."""
    made = table({"a.jsonl": "{"}, "jsonl")
    with pytest.raises(tabular.TableError, match=r"a\.jsonl, bytes 0 to 1 can't be read as jsonl: "):
        made.mini_batch(0).load()


def test_parquet(table):
    """Parquet is cut between row groups, small ones together, and within one that is larger than a mini-batch."""
    content = pa.table({"x": list(range(100)), "name": [f"n{number}" for number in range(100)]})
    small = table({"a.parquet": content}, "parquet", mini_batch_size="1gb", row_group_size=10)
    assert [len(frame) for frame in frames(small)] == [100]
    metadata = parquet.read_metadata("in/a.parquet")
    group = max(metadata.row_group(number).total_byte_size for number in range(10))
    by_two = table({}, "parquet", mini_batch_size=2 * group + 10)
    assert [len(frame) for frame in frames(by_two)] == [20] * 5
    parts = table({}, "parquet", mini_batch_size=group // 2)
    assert sum(len(frame) for frame in frames(parts)) == parts.items == 100
    assert all(1 <= len(frame) <= 5 for frame in frames(parts))
    for made in (small, by_two, parts):
        assert [row for batch in records(made) for row in batch] == [(number, f"n{number}") for number in range(100)]
    one_by_one = table({}, "parquet", mini_batch_size=1)
    assert one_by_one.mini_batches == 100


def test_parquet_after_small_groups(table):
    """A large row group behind a small one is cut on its own."""
    schema = pa.schema({"x": pa.int64()})
    os.makedirs("in")
    with parquet.ParquetWriter("in/a.parquet", schema) as writer:
        for rows in (3, 1000, 0, 2):
            writer.write_table(pa.table({"x": list(range(rows))}, schema=schema))
    size = parquet.read_metadata("in/a.parquet").row_group(1).total_byte_size // 2 + 50
    assert [len(frame) for frame in frames(table({}, "parquet", mini_batch_size=size))] == [3, 500, 500, 2]


def test_parquet_changed_between_runs(table):
    """A file that was written anew is read anew, also in the same process."""
    for number in (1, 22):
        made = table({"a.parquet": pa.table({"x": [number] * 3})}, "parquet", mini_batch_size=1)
        assert records(made) == [[(number,)]] * 3


def test_parquet_index_is_a_column(tmp_path, table):
    """An index that pandas stored in the file is a column like the others."""
    (tmp_path / "in").mkdir()
    pd.DataFrame({"x": [1, 2]}, index=pd.Index(["a", "b"], name="key")).to_parquet("in/a.parquet")
    assert set(frames(table({}, "parquet"))[0].columns) == {"x", "key"}


def test_other_files_beside(table):
    """What tools leave beside a table is no part of it; a file that is named otherwise is, where there is no other."""
    assert records(table({"a.csv": "x\n1\n", "_SUCCESS": "", ".a.csv.crc": "?", "README.md": "?"})) == [[(1,)]]
    for name in ("a.csv", "README.md"):
        os.remove(f"in/{name}")
    assert records(table({"data.dat": "x\n2\n"})) == [[(2,)]]


@pytest.mark.parametrize(
    ("name", "content", "input_format", "text"),
    [
        ("a.csv", gzip.compress(b"x\n1\n"), "csv", r"a\.csv is compressed: unpack it"),
        ("a.csv", "x\n1\n".encode("utf-16"), "csv", r"a\.csv is UTF-16: save it as UTF-8"),
        ("a.jsonl", b"PK\x03\x04", "jsonl", r"a\.jsonl is compressed, or a workbook: give plain text"),
        ("a.parquet", b"x,y\n1,2\n", "parquet", r"a\.parquet is no Parquet file: "),
    ],
)
def test_wrong_format(table, name, content, input_format, text):
    """A file of another format is refused before anything starts."""
    with pytest.raises(UsageError, match=text):
        table({name: content}, input_format)


def test_unreadable_file(tmp_path):
    """A file that can't be read is refused with the reason."""
    with pytest.raises(UsageError, match=r"gone\.csv can't be read: No such file or directory; give files that can"):
        list(tablefiles.pieces(str(tmp_path / "gone.csv"), "csv", 10, None))


def test_by_column(table):
    """One mini-batch for each value of a column, over all files and pieces; the types are those of the whole input."""
    files = {"a.csv": "store,n\nA,1\nB,2\nA,3\n", "b.csv": "store,n\nB,4\n,5\n"}
    made = table(files, partition_keys="store", mini_batch_size=4)
    assert [made.mini_batch(index).partition_key_value for index in range(3)] == [
        {"store": "A"},
        {"store": "B"},
        {"store": None},
    ]
    assert [list(frame["n"]) for frame in frames(made)] == [[1, 3], [2, 4], [5]]
    assert [made.mini_batch(index).items for index in range(3)] == [2, 2, 1]
    assert len(made.mini_batch(1).dataset) == 2


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "2", "1"], [1, 2]),
        (["1", "", "1"], [1.0, None]),
        (["007", "7", "007"], ["007", "7"]),
        (["1", "x", "1"], ["1", "x"]),
    ],
)
def test_types_of_keys(table, values, expected):
    """A key is a number only where all its values are written as numbers, so that 007 and 7 are two values."""
    made = table(
        {"a.csv": "key,n\n" + "".join(f"{value},0\n" for value in values)}, partition_keys=["key"], mini_batch_size=1
    )
    found = [made.mini_batch(index).partition_key_value["key"] for index in range(made.mini_batches)]
    assert found == expected
    assert [type(value) for value in found] == [type(value) for value in expected]
    assert [len(frame) for frame in frames(made)] == [2, 1]


def test_by_two_columns(table):
    """Several keys make one mini-batch for each of their combinations."""
    content = pa.table({"store": [1, 1, 2], "brand": ["x", "y", "x"], "n": [1, 2, 3]})
    made = table({"a.parquet": content}, "parquet", partition_keys="store,brand")
    assert [made.mini_batch(index).partition_key_value for index in range(3)] == [
        {"store": 1, "brand": "x"},
        {"store": 1, "brand": "y"},
        {"store": 2, "brand": "x"},
    ]
    assert [list(frame["n"]) for frame in frames(made)] == [[1], [2], [3]]


def test_by_column_of_jsonl(table):
    """Keys of JSON lines keep their own types: 1 and "1" are two values."""
    made = table({"a.jsonl": '{"k": 1}\n{"k": "1"}\n{"k": null}\n'}, "jsonl", partition_keys="k")
    assert [made.mini_batch(index).partition_key_value["k"] for index in range(3)] == [1, "1", None]


def test_by_path(table):
    """Columns of the path are keys too, and columns of the DataFrame; folders named key=value are such columns."""
    files = {"store=A/day=1/x.csv": "n\n1\n", "store=B/day=1/x.csv": "n\n2\n", "store=A/day=2/x.csv": "n\n3\n"}
    made = table(files, partition_keys="store")
    assert [made.mini_batch(index).partition_key_value for index in range(2)] == [{"store": "A"}, {"store": "B"}]
    assert records(made) == [[(1, "A", "1"), (3, "A", "2")], [(2, "B", "1")]]


def test_path_columns_stay_text(table):
    """A column of the path is text also where it looks like a number, and comes before one of the table's own."""
    files = {"01/x.csv": "store,n\n1,1\n", "2/x.csv": "store,n\n2,2\n"}
    made = table(files, partition_keys="store", partition_format="/{store}/*")
    assert [made.mini_batch(index).partition_key_value for index in range(2)] == [{"store": "01"}, {"store": "2"}]
    assert records(made) == [[("01", 1)], [("2", 2)]]
    os.remove("in/01/x.csv")
    made = table({"3/x.csv": "store,n\n3,3\n"}, partition_keys="store,n", partition_format="/{store}/*")
    assert [made.mini_batch(index).partition_key_value for index in range(2)] == [
        {"store": "2", "n": 2},
        {"store": "3", "n": 3},
    ]
    assert records(made) == [[("2", 2)], [("3", 3)]]


def test_dates_in_the_path(table):
    """A column of dates in the path is a key, and a column of dates in the DataFrame."""
    made = table({"2020-01-31.csv": "n\n1\n"}, partition_keys="day,n", partition_format="/{day:yyyy-MM-dd}.csv")
    day = pd.Timestamp("2020-01-31")
    assert made.mini_batch(0).partition_key_value == {"day": day, "n": 1}
    assert frames(made)[0]["day"][0] == day


def test_by_path_and_column(table):
    """A key of the path and one of the table go together."""
    made = table(
        {"A/x.csv": "brand,n\np,1\nq,2\n", "B/x.csv": "brand,n\np,3\n"},
        partition_keys="store,brand",
        partition_format="/{store}/x.csv",
    )
    assert [list(frame["n"]) for frame in frames(made)] == [[1], [2], [3]]
    assert made.mini_batch(2).partition_key_value == {"store": "B", "brand": "p"}


def test_missing_key(table):
    """A key that a file lacks is refused before anything starts."""
    with pytest.raises(UsageError, match=r"partition keys: .*a\.csv has no column store: name one that all its files"):
        table({"a.csv": "n\n1\n"}, partition_keys="store")


def test_key_of_a_broken_table(table):
    """A file that can't be read for its keys is refused before anything starts."""
    with pytest.raises(UsageError, match=r"a\.jsonl, bytes 0 to 2 can't be read as jsonl"):
        table({"a.jsonl": "{\n"}, "jsonl", partition_keys="store")


def test_path_that_does_not_fit(table):
    """A file whose path does not fit the partition format is refused before anything starts."""
    with pytest.raises(UsageError, match=r"a\.csv does not fit the partition format /\{x\}/b\.csv"):
        table({"a.csv": "n\n1\n"}, partition_format="/{x}/b.csv")


def test_digest(table):
    """Another listing has another digest, the same has the same."""
    one = table({"a.csv": "x\n1\n2\n"}, mini_batch_size=2)
    assert one.digest == table({}, mini_batch_size=2).digest
    assert one.digest != table({}, mini_batch_size=4).digest


@pytest.mark.parametrize(("package", "input_format"), [("pandas", "csv"), ("pyarrow", "parquet")])
def test_missing_package(table, monkeypatch, package, input_format):
    """Without pandas or pyarrow the error names the extra that brings it."""
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"needs {package}.*entry-script-helper\[tabular\]"):
        table({"a.parquet": "x\n1\n"}, input_format)


def test_files_need_no_pandas():
    """Input of files loads neither pandas nor pyarrow."""
    code = (
        "import sys; from entry_script_helper.simulator import inputs, settings;"
        "inputs.of(settings.checked(script=sys.argv[1], input=sys.argv[1]));"
        "assert not {'pandas', 'pyarrow', 'numpy'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code, __file__], check=True, timeout=60)


def test_large_file_is_not_held(tmp_path):
    """Cutting a table takes the memory of a few mini-batches, not of the file."""
    line = b'1,"' + b"x" * 95 + b'"\n'
    with open(tmp_path / "a.csv", "wb") as file:
        file.write(b"n,text\n")
        file.writelines(line * 1000 for _ in range(300))
    code = (
        "import resource, sys; from entry_script_helper.simulator import tablefiles;"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        "rows = sum(piece.rows for piece in tablefiles.pieces(sys.argv[1], 'csv', 100_000, None));"
        "print(rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.csv")], check=True, timeout=60, capture_output=True, text=True
    )
    rows, grown = map(int, done.stdout.split())
    assert rows == 300_000
    assert grown < 8 * 1024  # KiB; the file has 29 MiB
