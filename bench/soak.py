"""Minutes at rest: an operator and a mesh in which nothing changes. It must write nothing but its Lease.

Run by `make soak`; prints a table and ends with 1 where it was not silent.
"""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tools.audit import LEASE, Request, noise

from bench.place import STABLE, Place
from bench.standing import Kubectl, Standing

_SETTLED: Final = 180.0  # seconds for the operator to lead, look, and have said so
_QUIET: Final = 10.0  # seconds without a write after which it counts as at rest
_GROWTH: Final = 10.0  # MiB that it may hold more at the end
_APPLICATIONS: Final = 5


def main() -> None:
    minutes = int(sys.argv[1])
    place = Place("soak")
    try:
        silent = _soak(place, minutes)
    finally:
        place.down()
    sys.exit(0 if silent else 1)


def _soak(place: Place, minutes: int) -> bool:
    place.up()
    place.enable()
    _crowd(place)
    standing = Standing(_kubectl(place), Path(place.environment["KUBECONFIG"]), place.environment)
    standing.start()
    try:
        _await_rest(standing)
        begun, before = datetime.now(UTC), standing.resident
        time.sleep(60.0 * minutes)
        after, made = standing.resident, [each for each in standing.requests() if each.at >= begun]
    finally:
        standing.stop()
    for line in _table(made, begun, minutes):
        print(line)
    print(f"\nresident memory: {before:.1f} MiB at the beginning, {after:.1f} MiB at the end")
    return not noise(made) and any(each.resource == LEASE for each in made) and after - before <= _GROWTH


def _table(made: list[Request], begun: datetime, minutes: int) -> Iterator[str]:
    writes = Counter(f"{each.verb} {each.resource}" for each in made if each.wrote)
    yield f"{'writes':45} {'count':>6}"
    for what, count in sorted(writes.items()):
        yield f"{what:45} {count:6}"
    for each in noise(made):
        yield f"  {each} after {(each.at - begun).total_seconds():.0f} s"
    reads = Counter(f"{each.verb} {each.resource}" for each in made if not each.wrote)
    yield f"\n{'other requests':45} {'count':>6}"
    for what, count in sorted(reads.items()):
        yield f"{what:45} {count:6}"
    at = Counter(int((each.at - begun).total_seconds() // 60) for each in made)
    yield "\nrequests per minute: " + ", ".join(str(at[minute]) for minute in range(minutes))


def _await_rest(standing: Standing) -> None:
    """It has looked, and has written nothing but its Lease for a while. Ends the bench where that does not come."""
    begun = datetime.now(UTC)
    deadline = time.monotonic() + _SETTLED
    while time.monotonic() < deadline:
        time.sleep(1.0)
        last = max((each.at for each in noise(standing.requests())), default=begun)
        looked = '"looked"' in standing.log.read_text()
        if looked and (datetime.now(UTC) - last).total_seconds() > _QUIET:
            return
    sys.exit(f"soak: the operator did not come to rest\n{standing.log.read_text()[-2000:]}")


def _crowd(place: Place) -> None:
    """A few applications, so that there is something to look at."""
    kubectl = _kubectl(place)
    for number in range(_APPLICATIONS):
        space = f"soak-{number}"
        kubectl("create", "namespace", space)
        kubectl("label", "namespace", space, f"istio.io/rev={STABLE}")
        kubectl("create", "deployment", "web", "-n", space, "--image=example/web", "--replicas=4")
        kubectl("rollout", "status", "deployment/web", "-n", space, "--timeout=3m")


def _kubectl(place: Place) -> Kubectl:
    def run(*words: str, given: str = "") -> str:
        done = subprocess.run(
            ["kubectl", *words], input=given, env=place.environment, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            sys.exit(f"soak: kubectl {' '.join(words)}\n{done.stderr}")
        return done.stdout

    return run


if __name__ == "__main__":
    main()
