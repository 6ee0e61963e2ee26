"""Beside the steps: one thread with a connection of its own, which works off what it is given, in that order.

What DuckDB can do while Python is busy belongs here: it lets go of Python's lock. What is to be done is said elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assets.warehouse import Warehouse

Work = Callable[["Warehouse"], Any]


class Beside:
    """Work by name, done once each, one after the other, so that what was given before is there for what comes after.

    What goes wrong is raised where the result is asked for. Left while work is under way, it is interrupted.
    """

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._given: dict[str, Future[Any]] = {}
        self._open = ExitStack()

    def __enter__(self) -> Beside:
        with ExitStack() as opened:
            self._connected = opened.enter_context(self._warehouse.another())
            self._worker = opened.enter_context(ThreadPoolExecutor(max_workers=1))
            opened.callback(self._stop)
            self._open = opened.pop_all()
        return self

    def give(self, name: str, work: Work) -> None:
        """Have this done after what was given before; nothing where it was given already."""
        if name not in self._given:
            self._given[name] = self._worker.submit(work, self._connected)

    def result(self, name: str, work: Work) -> Any:
        """What the work of this name returns, given now where it was not yet; raises what it raised."""
        self.give(name, work)
        return self._given[name].result()

    def close(self) -> None:
        """Let go of everything, whether or not it is done."""
        self._open.close()

    def _stop(self) -> None:
        """Let go of what is not done yet: nothing, unless the run failed."""
        for given in self._given.values():
            given.cancel()
        while wait(self._given.values(), timeout=0.1).not_done:  # a query only about to begin does not hear of it
            self._connected.connection.interrupt()

    def __exit__(self, *_: object) -> None:
        self.close()
