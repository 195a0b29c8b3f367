"""What a cloud's controller does for Services of type LoadBalancer: address and traffic, by `balancer`. A plug-in.

The process is started when there is the first such Service: most sandboxes never have one.
"""

import asyncio
import sys

from pilotage_sandbox.context import Context
from pilotage_sandbox.errors import Trouble
from pilotage_sandbox.kube import Kube
from pilotage_sandbox.services import SERVICES

_NAME = "cloud"


async def run(ctx: Context) -> None:
    """Wait for a load balancer to be wanted, then have them balanced, for ever."""
    ctx.report(_NAME, "no Service wants a load balancer")
    await _wanted(ctx)
    ctx.report(_NAME, "load balancers work")
    with (ctx.logs / "balancer.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "pilotage_sandbox.balancer", str(ctx.kubeconfig),
            stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    raise Trouble(f"the balancer ended with code {await process.wait()}")


async def _wanted(ctx: Context) -> None:
    kube = Kube(ctx.kubeconfig)
    try:
        async for change in kube.follow(SERVICES):
            if change.object.get("spec", {}).get("type") == "LoadBalancer":
                return
    finally:
        await kube.close()
