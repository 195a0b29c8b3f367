"""A patch of the control plane, then the window for restarts: the operator brings proxies up to date, one by one."""

from pathlib import Path

from harness import STABLE
from inmemory import in_memory
from patchcharts import charts_in, mend
from windowed import applications, restarts_in_their_window


def test_after_a_patch_exactly_what_is_behind_is_restarted_in_its_window(tmp_path: Path) -> None:
    with in_memory() as mesh:
        charts = charts_in(tmp_path, range(4, 6), broken=5)
        mend(tmp_path, 5)
        mesh.pilotage("enable", "-r", STABLE, "--version", "1.30.4", "--profile", "aks", "--charts", charts).must()
        applications(mesh)
        mesh.patch("servicemesh/default", {"spec": {"revisions": [{"name": STABLE}]}})
        mesh.pilotage("patch", "start", "--yes", "--local").must()
        restarts_in_their_window(mesh, tmp_path / "operator.log")
