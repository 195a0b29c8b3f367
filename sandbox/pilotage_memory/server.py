"""The HTTP face: plain HTTP/1.1 on loopback, a thread per connection. Used by `cluster`."""

import socket
import threading
import time

from pilotage_memory.api import Api, broken
from pilotage_memory.faults import Fault, Faults, Ledger, Write
from pilotage_memory.messages import Request, Response
from pilotage_memory.store import Store
from pilotage_memory.wire import Connection


class Server:
    """Listens from `start` to `stop`. `faults` is asked before each request."""

    def __init__(self, store: Store) -> None:
        self.api = Api(store, lambda: self._over)
        self.faults: Faults = lambda *_: None
        self._ledger = Ledger()
        self._over = True
        self._port = 0
        self._listener: socket.socket | None = None
        self._lock = threading.Lock()
        self._open: set[Connection] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def down(self) -> bool:
        """Nobody can connect: before `start`, after `stop`, and from a kill until `revive`."""
        return self._over

    @property
    def writes(self) -> list[Write]:
        """Every write as it was answered, the oldest first. May be cleared."""
        return self._ledger.writes

    def start(self) -> None:
        """On the port it had before, if any."""
        self._listener = socket.create_server(("127.0.0.1", self._port), backlog=128)
        self._port = self._listener.getsockname()[1]
        self._over = False
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def stop(self) -> None:
        """Ends every connection, watches too."""
        self._over = True
        with self._lock:
            listener, self._listener = self._listener, None
            left = tuple(self._open)
        if listener is not None:
            listener.shutdown(socket.SHUT_RDWR)  # close alone would leave the thread waiting for clients
            listener.close()
        for connection in left:
            connection.cut()

    def kill_at(self, n: int, *, after: bool = False) -> None:
        """At the n-th write from now, dry runs not counted, every connection is cut, and nobody can connect any more
        until `revive`: what a client sees is an API server that went away. `after`: that write still takes effect.
        """
        self._ledger.kill_at(n, after=after)

    def revive(self) -> None:
        self._ledger.revive()
        if self._listener is None:
            self.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:  # stopped
                return
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(peer)
            with self._lock:
                self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: Connection) -> None:
        try:
            while not self._over and (request := connection.next()) is not None:
                if not self._exchange(connection, request):
                    break
        except OSError:  # the client left, or was cut off
            return
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def _exchange(self, connection: Connection, request: Request) -> bool:
        """False where the connection is of no more use."""
        fault = self.faults(request.method, request.path, request.query)
        if fault is not None:
            time.sleep(fault.delay)
            if fault.reset or fault.status:
                return self._fail(connection, request, fault)
        lost = fault is not None and fault.lost
        cut = self._ledger.cut(request)
        response = None if cut == "before" else self._answer(request)
        self._ledger.record(request, 0 if lost or cut or response is None else response.status)
        if cut or response is None:
            self.stop()
            return False
        return not lost and connection.send(response)

    def _fail(self, connection: Connection, request: Request, fault: Fault) -> bool:
        self._ledger.record(request, fault.status)
        if fault.reset:
            return False
        return connection.send(fault.response(), fault.headers)

    def _answer(self, request: Request) -> Response:
        try:
            return self.api.answer(request)
        except Exception as error:  # noqa: BLE001 - a mistake of ours must reach the test, not end a thread unheard
            return broken(request, error)
