"""A cluster in this process that answers to the words of `harness.Cluster`: for tests that want many worlds, fast.

`pilotage` is the real command line, called in this process, and speaks HTTP to the in-memory cluster of the package
`pilotage_memory`. What the test itself does or looks at goes straight to that cluster's store.
"""

import io
import os
import shlex
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch as patched

from harness import Cluster, Obj, Result, sandbox
from pilotage.faces.cli.main import cli
from pilotage.faces.cli.run import run
from pilotage_memory.cluster import memory_cluster
from pilotage_memory.kinds import Key, Kind
from pilotage_memory.lifecycle import By
from pilotage_memory.merge import merge_patch
from pilotage_memory.rights import token
from pilotage_memory.selectors import selection
from pilotage_memory.world import World
from pilotage_sandbox import assets

_SHORT: Final = {
    "crds": "customresourcedefinitions",
    "hpa": "horizontalpodautoscalers",
    "pdb": "poddisruptionbudgets",
    "quota": "resourcequotas",
}


BOTH: Final = ("in-memory", "real")


@contextmanager
def either(which: str, name: str) -> Iterator[Cluster]:
    """One of BOTH; a real one is a sandbox of that name."""
    with in_memory() if which == "in-memory" else sandbox(name) as made:
        yield made


@contextmanager
def in_memory(**options: Any) -> Iterator["InMemory"]:
    """`options` are those of `World`."""
    world = World(**options)
    with memory_cluster(world.store) as served:
        yield InMemory(world, served.kubeconfig)


@contextmanager
def passing(mesh: "InMemory") -> Iterator[None]:
    """Time passes by itself meanwhile, 50 ticks a second: for verbs that wait, in a world with a `Pace`."""
    over = threading.Event()

    def tick() -> None:
        while not over.wait(0.02):
            mesh.world.loop.tick()

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class InMemory(Cluster):
    """`world` is for what no client can do, such as to let time pass."""

    def __init__(self, world: World, kubeconfig: Path) -> None:
        super().__init__("memory", kubeconfig, {"charts": assets.charts_dir(), "kubectl": assets.binary("kubectl")})
        self.world = world

    def pilotage(self, *words: str, given: str | None = None, timeout: float = 300.0) -> Result:  # noqa: ARG002
        out, err = io.StringIO(), io.StringIO()
        with ExitStack() as held:
            held.enter_context(patched.dict(os.environ, self.environment))
            held.enter_context(patched("sys.stdin", io.StringIO(given or "")))
            held.enter_context(redirect_stdout(out))
            held.enter_context(redirect_stderr(err))
            code = run(cli, ["pilotage", *words])
        return Result(words, code, out.getvalue(), err.getvalue())

    def get(self, *words: str) -> Any:
        """Of kubectl's words a kind with or without a name, -n and -l."""
        rest, options = list(words), {}
        for flag in ("-n", "-l"):
            if flag in rest:
                at = rest.index(flag)
                _, options[flag] = rest.pop(at), rest.pop(at)
        what, _, name = rest[0].partition("/")
        if "," in what:
            return {"items": [item for each in what.split(",") for item in self.get(each, *words[1:])["items"]]}
        kind = self._kind(what)
        if name or rest[1:]:
            found = self.world.store.get(Key(kind.group, kind.plural, options.get("-n", ""), name or rest[1]))
            assert found is not None, words
            return found
        chosen = selection(kind, options.get("-l", ""), "")
        listed = self.world.store.list(kind.group, kind.plural, options.get("-n", "") if kind.namespaced else "")
        return {"items": [obj for obj in listed if chosen(obj)]}

    def apply(self, *objects: Obj) -> None:
        for obj in objects:
            self.world.store.apply(obj, By("kubectl", self.world.store.clock()))

    def patch(self, what: str, patch: Obj, namespace: str = "") -> None:
        place = ["-n", namespace] if namespace else []
        found = self.get(what, *place)
        self.world.store.update(merge_patch(found, patch), manager="kubectl")

    def strike(self, *objects: Obj) -> None:
        for obj in objects:
            self.world.store.delete(self.world.store.kind_of(obj).key(obj))

    def token(self, account: str) -> str:
        return token("default", account)

    def obey(self, command: str) -> Result:
        """Commands joined by `&&`."""
        result = Result((), 0, "", "")
        for part in command.split("&&"):
            program, *words = shlex.split(part)
            result = self.pilotage(*words) if program == "pilotage" else self.run(str(self.assets[program]), *words)
            if result.code:
                break
        return result

    def _kind(self, word: str) -> Kind:
        wanted = _SHORT.get(word, word)
        return next(kind for kind in self.world.store.kinds if wanted in (kind.plural, kind.kind.lower(), *kind.short))
