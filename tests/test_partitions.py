"""Columns that a file's path holds, and files with a mini-batch for each of their values."""

from __future__ import annotations

import datetime as dt
import pickle

import pytest

from entry_script_helper.errors import UsageError
from entry_script_helper.simulator import inputs, settings
from entry_script_helper.simulator.partitions import PathColumns


@pytest.mark.parametrize(
    ("partition_format", "path", "columns"),
    [
        ("/{store}/{brand}.csv", "/data/in/1001/dominicks.csv", {"store": "1001", "brand": "dominicks"}),
        (
            "/{Department}/{PartitionDate:yyyy/MM/dd}/data.jsonl",
            "../Accounts/2019/01/31/data.jsonl",
            {"Department": "Accounts", "PartitionDate": dt.datetime(2019, 1, 31)},  # noqa: DTZ001
        ),
        (
            "{at:yyyy-MM-dd_HHmmss}.csv",
            "/in/x_2020-02-29_235958.csv",
            {"at": dt.datetime(2020, 2, 29, 23, 59, 58)},  # noqa: DTZ001
        ),
        ("{year:yyyy}/*", "/in/2020/a.b", {"year": dt.datetime(2020, 1, 1)}),  # noqa: DTZ001
        ("{store}/a.csv", "/in/a/ü b/a.csv", {"store": "ü b"}),
        (None, "/in/store=A%2F1/day=__HIVE_DEFAULT_PARTITION__/x=1.csv", {"store": "A/1", "day": None}),
        (None, "/in/a.csv", {}),
    ],
)
def test_columns(partition_format, path, columns):
    """A format gives text and dates, from the path's end; without one, folders named key=value are columns."""
    assert PathColumns(partition_format).of(path) == columns


@pytest.mark.parametrize(
    ("partition_format", "path"),
    [
        ("/{store}/a.csv", "/in/b.csv"),
        ("/{store}/a.csv", "/in/A/a.csv.bak"),
        ("/{store}.csv", "/in/axcsv"),
        ("{day:yyyy/MM/dd}/a", "/in/2019/02/31/a"),
    ],
)
def test_path_that_does_not_fit(partition_format, path):
    """A path that doesn't fit the format, or holds no date, is an error that names both."""
    with pytest.raises(UsageError, match="does not fit the partition format") as caught:
        PathColumns(partition_format).of(path)
    assert path in str(caught.value)
    assert partition_format in str(caught.value)


@pytest.mark.parametrize(
    ("partition_format", "text"),
    [
        ("/data.csv", "has no column: write one as {name}"),
        ("{a}/{a}", "has {a} twice: name each once"),
        ("{a:MM/dd}", "{a:MM/dd} is no date: write it as {a:yyyy/MM/dd}"),
    ],
)
def test_bad_format(partition_format, text):
    """A format that can't be meant is an error that says what to write."""
    with pytest.raises(UsageError) as caught:
        PathColumns(partition_format)
    assert text in str(caught.value)


def of(tmp_path, *names, **options):
    tmp_path.mkdir(exist_ok=True)
    (tmp_path / "score.py").write_text("")
    for name in names:
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_text("x")
    return inputs.of(settings.checked(script=tmp_path / "score.py", input=tmp_path / "in", **options))


def test_files_by_key(tmp_path):
    """There is one mini-batch of files for each value of the keys, however many they are."""
    names = ["a/x/1.txt", "a/y/2.txt", "b/x/3.txt", "a/x/4.txt"]
    made = of(tmp_path, *names, partition_keys="store", partition_format="{store}/{brand}/*.txt", mini_batch_size=1)
    assert (made.items, made.mini_batches) == (4, 2)
    first, second = (pickle.loads(pickle.dumps(made.mini_batch(index))) for index in range(2))
    assert first.partition_key_value == {"store": "a"}
    assert first.load() == [str(tmp_path / "in" / name) for name in ("a/x/1.txt", "a/x/4.txt", "a/y/2.txt")]
    assert second.load() == [str(tmp_path / "in" / "b/x/3.txt")]
    both = of(tmp_path, partition_keys=["brand", "store"], partition_format="{store}/{brand}/*.txt")
    assert [both.mini_batch(index).partition_key_value for index in range(3)] == [
        {"brand": "x", "store": "a"},
        {"brand": "y", "store": "a"},
        {"brand": "x", "store": "b"},
    ]
    assert both.digest != made.digest


def test_missing_key(tmp_path):
    """A key that a path lacks is an error that says where a key can be."""
    with pytest.raises(UsageError, match=r"there is no partition key day in \{store\}/\*: write it as \{day\}"):
        of(tmp_path, "a/1", partition_keys="store,day", partition_format="{store}/*")
    with pytest.raises(UsageError, match=r"/in/a/1 has no partition key day: no folder in it is named key=value; say"):
        of(tmp_path, partition_keys="day")
    with pytest.raises(UsageError, match="has no partition key day: it has b; say by a partition format where it is"):
        of(tmp_path / "b=1", "1", partition_keys="day")
