"""The way to a Dask cluster's scheduler: who its workers are, tasks for them, and what becomes of a lost connection."""

from __future__ import annotations

import contextlib
import logging
import pickle
import socket
import ssl
import threading
import time
from concurrent.futures import Future

from entry_script_helper.errors import MissingExtraError, UsageError

try:
    import distributed
except ImportError as error:
    raise MissingExtraError("distributed", "dask", "--scheduler") from error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from entry_script_helper.simulator.settings import Settings

_CONNECT = 10.0
"""Seconds for one connection to come about."""

_LOOK_UP = 1.0
"""Seconds between two looks at who the workers are."""

_CLOSE = 1.5
"""Seconds that saying good-bye may take after Ctrl-C, which is to stop a run within two."""

_CALL = "__import__('entry_script_helper.simulator.cluster.node', fromlist=['do']).do(packed)"
"""What Dask workers evaluate. Where a task names what can't be imported there, the Dask worker ends, and so may the
scheduler; this only fails."""

_AGAIN = 0.2
"""Seconds between two tries to reach a scheduler."""


class Connection:
    """The connection of one run. Lost, it is made anew in the background, until `close`.

    Args:
        settings: The run's settings, with the scheduler's address.

    Raises:
        UsageError: No scheduler answers there, or it is not to be trusted, or does not trust us.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._security = _security(settings)
        self._address = str(settings.scheduler)
        # What it says of lost connections is ours to say; it says that at length, with tracebacks.
        self._logger = logging.getLogger("distributed")
        self._level = self._logger.level
        self._logger.setLevel(logging.CRITICAL)
        try:
            self._client = self._new_client()
            self.workers: dict[str, int] | None = self._client.nthreads()
        except Exception as error:
            self._logger.setLevel(self._level)
            raise UsageError(_refusal(self._address, error)) from error
        self.dashboard = str(getattr(self._client, "dashboard_link", "") or "")
        self._executors: dict[str, Any] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep_up, name="look-after-scheduler", daemon=True)
        self._thread.start()

    def submit(self, address: str, function: str, *arguments: object) -> Future[Any]:
        """Have a Dask worker call a function of `node`, by its name; `value` says what came of it.

        The future is cancelled where the connection is lost. Where that worker is gone it may never end.
        """
        try:
            executor = self._executors.get(address)
            if executor is None:
                executor = self._executors[address] = self._client.get_executor(
                    workers=[address], pure=False, retries=0, allow_other_workers=False
                )
            future: Future[Any] = executor.submit(eval, _CALL, _packed(function, *arguments))
        except Exception:  # noqa: BLE001 - the connection is lost: each version has its own way to say so
            future = Future()
            future.cancel()
            future.set_running_or_notify_cancel()
        return future

    def close(self, run: str, *, is_urgent: bool) -> None:
        """End all that a run has on the nodes, as far as they can be reached now, and the connection."""
        self._over.set()
        thread = threading.Thread(target=self._say_goodbye, args=(run,), name="say-goodbye", daemon=True)
        thread.start()
        thread.join(_CLOSE if is_urgent else _CONNECT)
        self._logger.setLevel(self._level)

    def _say_goodbye(self, run: str) -> None:
        with contextlib.suppress(Exception):  # the cluster may be gone by now
            self._client.run(eval, _CALL, _packed("end", run), on_error="ignore")
        with contextlib.suppress(Exception):
            self._client.close(timeout=_CONNECT)

    def _keep_up(self) -> None:
        """Look who the workers are, now and then; None while the scheduler can't be asked."""
        while not self._over.wait(_LOOK_UP):
            try:
                if self._client.status == "closed":
                    self._executors = {}
                    self._client = self._new_client()
                self.workers = self._client.nthreads() if self._client.status == "running" else None
            except Exception:  # noqa: BLE001, PERF203 - whatever it is, it is tried again
                self.workers = None

    def _new_client(self) -> Any:  # noqa: ANN401 - of a package without types
        _reach(self._address, self._security)
        make: Any = distributed.Client  # it has types in some of its versions only
        return make(
            self._address,
            timeout=_CONNECT,
            security=self._security,
            set_as_default=False,
            direct_to_workers=False,  # the nodes need not be reachable from here
            name="entry-script-helper",
        )


def value(future: Future[Any]) -> Any:  # noqa: ANN401 - what the function returned
    """Return what came of a task.

    Raises:
        CancelledError: The connection was lost.
        Exception: What the task raised, or why Dask could not carry it.
    """
    return pickle.loads(future.result())  # noqa: S301 - the cluster is trusted with the script


def _packed(function: str, *arguments: object) -> dict[str, bytes]:
    return {"packed": pickle.dumps((function, arguments))}


def host_of(address: str) -> str:
    """Return the host in an address."""
    return address.rpartition("://")[2].rpartition(":")[0].strip("[]")


def _reach(address: str, security: Any) -> None:  # noqa: ANN401 - of a package without types
    """Wait until a scheduler listens at its address, and see that it is to be trusted.

    A client that finds out itself takes longer, and leaves much behind.

    Raises:
        OSError: Nothing listened in time, or it is not to be trusted.
    """
    end = time.monotonic() + _CONNECT
    while address.startswith(("tcp://", "tls://", "ws://", "wss://")):
        try:
            _shake_hands(address, security)
        except ssl.SSLError:  # noqa: PERF203 - it waits
            raise
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(_AGAIN)
        else:
            return


def _shake_hands(address: str, security: Any) -> None:  # noqa: ANN401
    host = host_of(address)
    with socket.create_connection((host, int(address.rpartition(":")[2])), _CONNECT) as plain:
        if security is not None:
            context = security.get_connection_args("client").get("ssl_context")
            if context is None:
                raise ssl.SSLError("no certificate authority is named")
            context.wrap_socket(plain, server_hostname=host).close()


def _security(settings: Settings) -> Any:  # noqa: ANN401 - of a package without types
    if not str(settings.scheduler).startswith(("tls://", "wss://")):
        return None
    given = {
        "tls_ca_file": settings.tls_ca_file,
        "tls_client_cert": settings.tls_cert,
        "tls_client_key": settings.tls_key,
    }
    make: Any = distributed.Security
    return make(require_encryption=True, **{name: path for name, path in given.items() if path is not None})


def _refusal(address: str, error: Exception) -> str:
    text = " ".join(str(error).split())
    hint = "see that it runs there (dask scheduler) and that this machine may connect"
    if address.startswith(("tls://", "wss://")):
        hint += ", and that both trust each other: --tls-ca-file, --tls-cert and --tls-key, or Dask's own configuration"
    return f"--scheduler: no Dask scheduler answers at {address}: {type(error).__name__}: {text}; {hint}"
