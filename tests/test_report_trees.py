"""The report of real log trees: of every era, broken, empty, of a run that goes on, and of a million records."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
import trees
from pages import Reader

from entry_script_helper.cli import main
from entry_script_helper.logtree import report
from entry_script_helper.logtree.report import tree


def drawn(tmp_path, *paths):
    """Return the page of some trees, as a parser of HTML reads it, and what was complained about."""
    said = []
    path = tmp_path / "page.html"
    size = report.draw(paths, str(path), said.append)
    assert path.stat().st_size == size
    return Reader(path.read_bytes()), said


@pytest.mark.parametrize(
    ("make", "headline", "tries", "curves"),
    [
        (trees.article, "The run failed", True, True),
        (trees.year_2020, "The run failed", True, False),
        (trees.today, "The run failed", True, True),
        (trees.ours, "The run failed", True, True),
    ],
)
def test_a_tree_of_each_era_is_drawn(tmp_path, make, headline, tries, curves):
    """Verdict, tries, curves and records are there, whichever service wrote the tree."""
    read, said = drawn(tmp_path, make(tmp_path / "run"))
    assert headline in read.text
    assert bool(read.data["tries"]) == tries
    assert bool(read.data["resources"]["nodes"]) == curves
    assert len(read.data["records"]) > 10
    assert said == []


@pytest.mark.parametrize("make", [trees.azureml_user, trees.std_logs])
def test_a_tree_without_worker_logs_is_drawn(tmp_path, make):
    """Where only scripts' own logs are, their records are on the page."""
    read, _ = drawn(tmp_path, make(tmp_path / "run"))
    assert read.data["tries"] == []
    assert read.data["records"]


@pytest.mark.parametrize(
    "make",
    [
        trees.truncated,
        trees.nul_tail,
        trees.mixed_encodings,
        trees.clock_jumps,
        trees.terminal_escapes,
        trees.looping_links,
    ],
)
def test_a_broken_tree_is_drawn(tmp_path, make):
    """What is whole in a broken tree is on the page, and no character of it that could mislead."""
    read, _ = drawn(tmp_path, make(tmp_path / "run"))
    assert read.data["records"]
    said = "".join(row[3] for row in read.data["records"])
    assert not [character for character in said if character not in "\n\t" and not character.isprintable()]


def test_an_archive_and_several_paths_are_drawn(tmp_path):
    """A zip archive of a tree gives the same page; of several paths one page is made."""
    folder = trees.today(tmp_path / "run")
    plain, _ = drawn(tmp_path, folder)
    packed, _ = drawn(tmp_path, trees.zipped(folder, tmp_path / "logs.zip"))
    assert sorted(row[3] for row in packed.data["records"]) == sorted(row[3] for row in plain.data["records"])
    assert sorted(row[:2] for row in packed.data["tries"]) == sorted(row[:2] for row in plain.data["tries"])
    several, _ = drawn(tmp_path, folder, trees.std_logs(tmp_path / "other"))
    assert len(several.data["records"]) > len(plain.data["records"])


def test_what_cannot_be_read_is_complained_about_once(tmp_path):
    """A file that can't be read is one line, whoever of the readers met it, and the rest is drawn."""
    read, said = drawn(tmp_path, trees.unreadable(tmp_path / "run"))
    assert len(said) == len(set(said)) <= 3
    assert read.data["records"]


def test_a_file_that_vanishes_is_complained_about(tmp_path, monkeypatch):
    """A table that is gone when it is read is a complaint, and the page is drawn without it."""
    folder = trees.today(tmp_path / "run")
    gather = tree.gathering.gather

    def after_they_are_gone(*parts):
        for path in list(folder.rglob("*.csv")):
            path.unlink()
        return gather(*parts)

    monkeypatch.setattr(tree.gathering, "gather", after_they_are_gone)
    read, said = drawn(tmp_path, folder)
    assert [line for line in said if "processed_mini-batches.csv" in line]
    assert [line for line in said if "/perf/" in line]
    assert (read.data["tries"], read.data["resources"]["nodes"]) == ([], [])
    assert read.data["records"]


def test_a_run_that_goes_on_is_drawn(tmp_path):
    """Of a tree that is still written, the page shows what is there: a try that is not over is running."""
    folder = trees.ours(tmp_path / "run")
    (overview,) = folder.rglob("overview.txt")
    overview.write_bytes(
        b"".join(line for line in overview.read_bytes().splitlines(True) if b"result" not in line)[:200]
    )
    for log in (folder / "logs" / "worker").rglob("*.txt"):
        lines = log.read_bytes().splitlines(True)
        last = max(place for place, line in enumerate(lines) if b"|picked" in line)
        log.write_bytes(b"".join(lines[: last + 1]))
    read, _ = drawn(tmp_path, folder)
    assert "running" in {row[3] for row in read.data["tries"]}


def test_earlier_runs_are_left_out(tmp_path):
    """Of a directory with several runs, the page shows the last, and says how much it leaves out."""
    folder = trees.ours(tmp_path / "run")
    once, _ = drawn(tmp_path, folder)
    for path in folder.rglob("*.txt"):
        path.write_bytes(older(path.read_bytes()) + path.read_bytes())
    twice, _ = drawn(tmp_path, folder)
    assert len(twice.data["tries"]) == len(once.data["tries"])
    assert "wrote to the same files. The page is about the last;" in " ".join(" ".join(twice.text).split())


def older(lines):
    """Return a log's lines, as if written years before."""
    lines = re.sub(rb"(?m)^20\d\d-", b"2001-", lines)
    return re.sub(rb"(start1|end1)=\d{10}", rb"\1=1000000000", lines)


def test_the_command_writes_a_page(tmp_path, monkeypatch, capsys):
    """The command says in one line where the page is and how large; without -o it is report.html in this directory."""
    folder = trees.today(tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    assert main(["report", str(folder)]) == 0
    said = capsys.readouterr()
    size = (tmp_path / "report.html").stat().st_size
    assert (said.out, said.err) == (f"report.html: {size / 1e6:.1f} MB\n", "")
    assert main(["report", "run", "-o", "other.html"]) == 0
    assert (tmp_path / "other.html").exists()
    assert sorted(os.listdir(tmp_path)) == ["other.html", "report.html", "run"]


def test_bad_input_is_one_line(tmp_path, monkeypatch, capsys):
    """A PATH that is missing or has no log, and a page that can't be written, are one line each and exit code 2."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    trees.today(tmp_path / "run")
    for arguments, said in [
        (["missing"], "missing: there is no such file"),
        (["empty"], "empty: no log is in it"),
        (["run", "-o", "empty"], "empty is a directory: give the name of a file, such as empty/report.html"),
        (["run", "-o", "no/page.html"], "no/page.html can't be written: No such file or directory"),
        ([], "the following arguments are required: PATH"),
    ]:
        assert main(["report", *arguments]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("entry-script-helper: error: ")
        assert said in line
    assert not (tmp_path / "report.html").exists()


def test_complaints_are_on_standard_error(tmp_path, capsys):
    """What can't be read is said on standard error, a line each, and does not keep the page from being written."""
    folder = trees.looping_links(tmp_path / "run")
    assert main(["report", str(folder), "-o", str(tmp_path / "page.html")]) == 0
    said = capsys.readouterr()
    assert said.out.startswith(f"{tmp_path}/page.html: ")
    assert said.err.splitlines()
    assert all(line.startswith("entry-script-helper report: ") for line in said.err.splitlines())


def test_the_command_without_its_extra_is_one_line(tmp_path):
    """Without plotly the command names the extra, with exit code 2, and nothing is written."""
    trees.today(tmp_path / "run")
    code = "import sys; sys.modules['plotly'] = None; from entry_script_helper.cli import main; sys.exit(main(['report', 'run']))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "pip install 'entry-script-helper[report]'" in line
    assert os.listdir(tmp_path) == ["run"]
