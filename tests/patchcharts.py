"""Charts per patch of 1.30, of which some are an istiod that never gets ready."""

import shutil
from pathlib import Path

from pilotage_sandbox import assets

_IMAGE = '-{{.}}{{end}}"'  # where the chart's image ends


def charts_in(folder: Path, patches: range, broken: int) -> str:
    """What to give --charts; 1.30.`broken` never gets ready."""
    whole = assets.charts_dir()
    for patch in patches:
        own = folder / f"1.30.{patch}"
        own.mkdir()
        for chart in ("base", "gateway"):
            (own / chart).symlink_to(whole / chart)
        shutil.copytree(whole / "istio-control", own / "istio-control")
    template = _template(folder, broken)
    template.write_text(template.read_text().replace(_IMAGE, _IMAGE[:-1] + '-neverready"'))
    return str(folder / "{version}")


def mend(folder: Path, patch: int) -> None:
    """1.30.`patch` gets ready from now on."""
    template = _template(folder, patch)
    template.write_text(template.read_text().replace("-neverready", ""))


def _template(folder: Path, patch: int) -> Path:
    return folder / f"1.30.{patch}" / "istio-control/istio-discovery/templates/deployment.yaml"
