"""Reading ahead and writing behind, in threads, limited by bytes: decoding, computing and encoding of different files overlap."""

import threading
from collections import deque

import numpy as np

from restore.image import Header

CHUNK = 4 << 20  # bytes read at one go
BUDGET = 64 << 20  # bytes that wait in one queue


class _Queue:
    """Arrays in order, at most BUDGET bytes of them waiting (one array always fits)."""

    def __init__(self):
        self.items: deque[object] = deque()
        self.bytes = 0
        self.changed = threading.Condition()
        self.closed = False

    def put(self, item: object, size: int = 0) -> bool:
        """False once the other end is gone."""
        with self.changed:
            self.changed.wait_for(lambda: self.closed or self.bytes == 0 or self.bytes + size <= BUDGET)
            if not self.closed:
                self.items.append((item, size))
                self.bytes += size
                self.changed.notify_all()
            return not self.closed

    def get(self) -> object:
        with self.changed:
            self.changed.wait_for(lambda: self.items or self.closed)
            if not self.items:
                return None
            item, size = self.items.popleft()
            self.bytes -= size
            self.changed.notify_all()
            return item

    def close(self) -> None:
        with self.changed:
            self.closed = True
            self.changed.notify_all()


class Ahead:
    """Rows of one page, read forward by a thread before they are asked for."""

    def __init__(self, source, page: int = 0):
        self.source, self.page = source, page
        self.header: Header = source.headers[page]
        self.queue = _Queue()
        self.rest = np.empty((0, self.header.width, self.header.samples), self.header.dtype)
        self.at = 0
        self.thread = threading.Thread(target=self._work, daemon=True)
        self.thread.start()

    def _work(self) -> None:
        header = self.header
        step = max(CHUNK // (header.width * header.samples * header.dtype.itemsize), 1)
        try:
            for top in range(0, header.height, step):
                rows = self.source.read(top, min(top + step, header.height), self.page)
                if not self.queue.put(rows, rows.nbytes):
                    return
        except Exception as error:  # raised again where the rows are asked for
            self.queue.put(error)

    def read(self, top: int, bottom: int) -> np.ndarray:
        """Rows [top, bottom); `top` is where the last call ended."""
        if top != self.at:
            raise ValueError(f"rows are read in order: {top} was asked for, {self.at} is next")
        parts, missing = [self.rest], bottom - top - len(self.rest)
        while missing > 0:
            item = self.queue.get()
            if isinstance(item, Exception):
                raise item
            parts.append(item)
            missing -= len(item)
        rows = np.concatenate(parts) if len(parts) > 1 else parts[0]
        self.rest, self.at = rows[bottom - top :], bottom
        return rows[: bottom - top]

    def close(self) -> None:
        self.queue.close()
        self.thread.join()


class Behind:
    """A sink that a thread fills: `write` returns at once, `finish` starts the end, `result` waits for it."""

    def __init__(self, open_sink):
        self.queue = _Queue()
        self.error: BaseException | None = None
        self.finished = False
        self.said: list[str] = []  # what was lost to the format
        self.open = threading.Event()
        self.thread = threading.Thread(target=self._work, args=(open_sink,), daemon=True)
        self.thread.start()

    def _work(self, open_sink) -> None:
        try:
            with open_sink() as sink:
                self.open.set()
                while (item := self.queue.get()) is not None:
                    if isinstance(item, Header):
                        sink.page(item)
                    elif item is _END:
                        self.said = sink.said()
                        return
                    else:
                        sink.write(item)
                raise _Cancelled  # the queue was closed before the end: the sink removes what it has
        except _Cancelled:
            pass
        except BaseException as error:
            self.error = error
        finally:
            self.open.set()
            self.queue.close()

    def ready(self) -> None:
        """Waits until the sink is open; raises where it cannot be: nobody need work for nothing."""
        self.open.wait()
        if self.error:
            raise self.error

    def page(self, header: Header) -> None:
        self._put(header, 0)

    def write(self, rows: np.ndarray) -> None:
        self._put(rows, rows.nbytes)

    def _put(self, item: object, size: int) -> None:
        if not self.queue.put(item, size):
            self.thread.join()
            raise self.error or RuntimeError("the writer has ended")

    def finish(self) -> None:
        """No more rows come; the rest is written while the caller goes on."""
        self.queue.put(_END)
        self.finished = True

    def result(self) -> None:
        """Waits; raises what went wrong."""
        self.thread.join()
        if self.error:
            raise self.error

    def cancel(self) -> None:
        """Nothing is left of the output."""
        with self.queue.changed:
            self.queue.items.clear()
        self.queue.close()
        self.thread.join()


class _Cancelled(Exception):
    pass


_END = object()
