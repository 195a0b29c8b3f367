"""How a container ends: its preStop hook, SIGTERM, and SIGKILL when its grace is over. Called by `container`.

Of the hooks, `exec` and `sleep` are understood: what gateways use to go on serving while load balancers take them out.
"""

import asyncio
import contextlib
import os
import signal
import time

from pilotage_sandbox.kube import Object
from pilotage_sandbox.podnet import Namespaces

_EXTRA = 2.0  # seconds for SIGTERM where the hook took all of the grace, as a kubelet adds them
_KILLED = 5.0  # seconds until the kernel has ended a killed process


async def end(process: asyncio.subprocess.Process, container: Object, namespaces: Namespaces, grace: float) -> None:
    """End the container's process and all that it started; `grace` is in seconds, 0 kills at once."""
    deadline = time.monotonic() + grace
    hook = container.get("lifecycle", {}).get("preStop", {})
    if hook and grace > 0 and process.returncode is None:
        await _before(hook, namespaces, grace)
        deadline = max(deadline, time.monotonic() + _EXTRA)
    for number, patience in ((signal.SIGTERM, deadline - time.monotonic()), (signal.SIGKILL, _KILLED)):
        if process.returncode is not None:
            break
        process.send_signal(number)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), max(patience, 0.0))
    # A container's first process takes all others along; here it is only the leader of their group.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


async def _before(hook: Object, namespaces: Namespaces, grace: float) -> None:
    """Run the hook, for as long as the grace lasts; one that fails stops nothing, as on a real node."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(grace):
            if "sleep" in hook:
                await asyncio.sleep(float(hook["sleep"]["seconds"]))
            elif "exec" in hook:
                command = namespaces.enter(hook["exec"]["command"])
                process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL)
                try:
                    await process.wait()
                finally:
                    if process.returncode is None:
                        process.kill()
