"""What only the running machine can tell."""

from __future__ import annotations

import errno
import multiprocessing
import os
import sys
import types
from typing import ClassVar

import pytest

from entry_script_helper import machine


@pytest.fixture(autouse=True)
def _forget(monkeypatch):
    from entry_script_helper.processstate import state

    monkeypatch.setitem(state(), "address", None)
    machine.remember_first_directory(None)


class Probe:
    """A socket as `_socket` makes it, of which every step can fail."""

    found = "10.1.2.3"
    fails: ClassVar[dict[str, int]] = {}
    opened = 0

    def __init__(self, family, kind):
        self._step("open")
        Probe.opened += 1

    def _step(self, name):
        if name in self.fails:
            raise OSError(self.fails[name], os.strerror(self.fails[name]))

    def connect(self, where):
        self._step("connect")

    def getsockname(self):
        return self.found, 1

    def close(self):
        Probe.opened -= 1


@pytest.fixture
def probe(monkeypatch):
    monkeypatch.setattr(Probe, "found", "10.1.2.3")
    monkeypatch.setattr(Probe, "fails", {})
    monkeypatch.setattr(Probe, "opened", 0)
    module = types.SimpleNamespace(socket=Probe, AF_INET=0, SOCK_DGRAM=0)
    monkeypatch.setitem(sys.modules, "_socket", module)
    return Probe


def test_the_first_directory_is_kept(tmp_path, monkeypatch):
    """The current directory counts as it was when first asked, wherever the script goes later."""
    monkeypatch.chdir(tmp_path)
    assert machine.first_directory() == str(tmp_path)
    monkeypatch.chdir("/")
    assert machine.first_directory() == str(tmp_path)
    machine.remember_first_directory("/elsewhere")
    assert machine.first_directory() == "/elsewhere"


def test_a_current_directory_that_is_gone_is_replaced_for_now(tmp_path, monkeypatch):
    """Where the current directory was removed, the temp directory stands in, until there is one."""
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert machine.first_directory() == machine.system_temp_dir()
    monkeypatch.chdir(tmp_path)
    assert machine.first_directory() == str(tmp_path)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "/tmp"),
        ({"TMPDIR": "/a"}, "/a"),
        ({"TMPDIR": " /a "}, "/a"),
        ({"TMPDIR": "", "TEMP": "/b"}, "/b"),
        ({"TMPDIR": "relative", "TMP": "/c"}, "/c"),
        ({"TMPDIR": "  "}, "/tmp"),
    ],
)
def test_the_systems_temp_directory(monkeypatch, environ, expected):
    """It is what the variables of `tempfile` say, where that is an absolute path."""
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert machine.system_temp_dir() == expected


@pytest.mark.parametrize("arguments", [None, [], ["score.py", 5]])
def test_the_process_name_is_multiprocessings(monkeypatch, arguments):
    """Without an agent the name is multiprocessing's, whatever sys.argv holds, or where it is missing."""
    monkeypatch.setattr(sys, "orig_argv", ["python"], raising=False)
    if arguments is None:
        monkeypatch.delattr(sys, "argv")
    else:
        monkeypatch.setattr(sys, "argv", arguments)
    assert machine.process_name() == "MainProcess"
    monkeypatch.setattr(multiprocessing.current_process(), "name", "Process-7")
    assert machine.process_name() == "Process-7"
    assert machine.agent_name() is None


def test_the_agents_name_stands_for_a_main_process_only(monkeypatch):
    """The cloud agent's name is taken where all processes are called MainProcess, also if sys.argv was replaced."""
    monkeypatch.setattr(sys, "argv", ["score.py"])
    monkeypatch.setattr(sys, "orig_argv", ["python", "driver.py", '{"agent_name": "process001"}'], raising=False)
    assert (machine.agent_name(), machine.process_name()) == ("process001", "process001")
    monkeypatch.setattr(sys, "argv", ["driver.py", '{"agent_name": "process000"}'])
    assert (machine.agent_name(), machine.process_name()) == ("process000", "process000")
    monkeypatch.setattr(multiprocessing.current_process(), "name", "Process-7")
    assert machine.process_name() == "Process-7"


def test_multiprocessing_is_not_imported_for_a_name(monkeypatch):
    """A process that never imported multiprocessing is a main process, and stays without it."""
    monkeypatch.setattr(multiprocessing.current_process(), "name", "Process-7")
    monkeypatch.setattr(sys, "argv", ["score.py"])
    monkeypatch.delitem(sys.modules, "multiprocessing.process")
    assert machine.process_name() == "MainProcess"
    assert "multiprocessing.process" not in sys.modules


def test_the_address_is_asked_for_once(probe):
    """The address of the interface that reaches out is found once a process, and the socket closed."""
    assert machine.address() == "10.1.2.3"
    probe.found = "10.9.9.9"
    assert machine.address() == "10.1.2.3"
    assert probe.opened == 0


@pytest.mark.parametrize("found", ["127.0.0.1", "127.0.1.1", "0.0.0.0"])
def test_an_address_that_every_node_has_is_none(probe, found):
    """A loopback address would make several nodes share one directory."""
    probe.found = found
    assert machine.address() is None


@pytest.mark.parametrize("step", ["open", "connect"])
def test_without_a_network_there_is_no_address(probe, step):
    """No route, or no network at all, is not an error: there is no address, for now."""
    probe.fails = {step: errno.ENETUNREACH}
    assert machine.address() is None
    assert probe.opened == 0
    probe.fails = {}
    assert machine.address() == "10.1.2.3"


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_without_a_descriptor_the_question_cant_be_asked(probe, number):
    """No free descriptor is told from no network: else a node would be named twice."""
    probe.fails = {"open": number}
    with pytest.raises(OSError) as caught:
        machine.address()
    assert caught.value.errno == number


def test_a_socket_module_that_cant_be_loaded_is_a_lack_of_descriptors(monkeypatch):
    """The module is a shared library: to load it takes a descriptor as well."""
    monkeypatch.setitem(sys.modules, "_socket", None)
    with pytest.raises(OSError) as caught:
        machine.address()
    assert caught.value.errno == errno.EMFILE


def test_the_hosts_name_asks_no_dns(monkeypatch):
    """The host's name is the kernel's, and never empty."""
    assert machine.host_name() == os.uname().nodename
    monkeypatch.setattr(os, "uname", lambda: types.SimpleNamespace(nodename=""))
    assert machine.host_name() == "localhost"
