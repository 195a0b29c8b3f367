"""The supervisor's notice board: the status of everything in a sandbox, in a file that the CLI reads.

    {phase: starting | ready | failed, message, name, port, kubeconfig, nodes, started, ready_after,
     components: [{name, kind: component | plug-in, state: starting | ready | restarting | failed,
                   since, restarts, words}]}

Times are seconds since the epoch. Written whole at each change, so that a reader needs no conversation with the
supervisor.
"""

import json
import time
from typing import Any

from pilotage_sandbox.layout import Layout, write


class Board:
    """Only the supervisor has one."""

    def __init__(self, place: Layout) -> None:
        spec = place.read_spec()
        self._place = place
        self._rows: dict[str, dict[str, Any]] = {}
        self._top: dict[str, Any] = {
            "phase": "starting",
            "message": "",
            "name": spec.name,
            "port": spec.port,
            "kubeconfig": str(place.kubeconfig),
            "nodes": spec.nodes,
            "started": time.time(),
            "ready_after": None,
        }

    def phase(self, phase: str, message: str = "") -> None:
        """How the whole is; the first `ready` also records how long it took."""
        self._top.update(phase=phase, message=message)
        if phase == "ready" and self._top["ready_after"] is None:
            self._top["ready_after"] = round(time.time() - self._top["started"], 2)
        self._publish()

    def state(self, name: str, state: str, words: str = "", kind: str = "component") -> None:
        """One component or plug-in; `restarting` is counted."""
        row = self._rows.setdefault(name, {"name": name, "kind": kind, "restarts": 0})
        row.update(state=state, since=time.time(), words=words)
        row["restarts"] += state == "restarting"
        self._publish()

    def words(self, name: str, words: str) -> None:
        """What a plug-in has to say about itself."""
        if name in self._rows and self._rows[name]["words"] != words:
            self._rows[name]["words"] = words
            self._publish()

    def _publish(self) -> None:
        write(self._place.status, json.dumps({**self._top, "components": list(self._rows.values())}))
