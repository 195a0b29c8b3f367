"""`pilotage operator`: the loop for ever, under the Lease, until it is told to stop."""

import signal

from pilotage.faces.cli import options
from pilotage.faces.cli.session import Session
from pilotage.faces.operator import loop
from pilotage.faces.operator.logs import log


@options.command()
def operator(session: Session) -> None:
    """Run the loop for ever: install, mend and remove as the ServiceMesh says. Stops on SIGTERM and Ctrl-C.

    It may be killed at any moment: progress is what is seen in the cluster.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    log("started", server=session.kube.server)
    try:
        loop.run(session)
    except KeyboardInterrupt:
        log("stopped")
