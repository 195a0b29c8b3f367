"""A real pod's own network and mount namespaces: an address on the sandbox's bridge and a root of its own.

Called by `podrun`. The namespaces are held by one small process per pod, as a container runtime's pause container does,
so that they outlive a restart of the container and die with the supervisor. Nothing is named or mounted outside: the
root is a tmpfs with the machine's `/usr` (for the C library) and the pod's volumes where the container wants them.
"""

import asyncio
import contextlib
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

Mounts = Sequence[tuple[Path, str]]  # (file or folder outside, absolute path inside)


class NetworkError(Exception):
    """The pod's namespaces could not be made; the text is what the failing tool said."""


class Addresses:
    """Hands out the addresses of a network in turn, so that one just given back is the last to be used again."""

    def __init__(self, network: IPv4Network, taken: Iterable[IPv4Address]):
        self._network, self._taken, self._last = network, set(taken), 0
        self._taken |= {network.network_address, network.broadcast_address}

    def take(self) -> IPv4Address:
        """An address nobody has; raises NetworkError when there is none."""
        size = self._network.num_addresses
        for step in range(1, size):
            address = self._network[(self._last + step) % size]
            if address not in self._taken:
                self._last = (self._last + step) % size
                self._taken.add(address)
                return address
        raise NetworkError(f"no free address in {self._network}")

    def give_back(self, address: IPv4Address) -> None:
        """The pod is gone; its address may be used again."""
        self._taken.discard(address)


@dataclass(frozen=True)
class Link:
    """How pods are plugged in: bridge, the address on it that is their gateway, and the network's prefix length."""

    bridge: str
    gateway: IPv4Address
    prefix: int


@dataclass(frozen=True)
class Namespaces:
    """The namespaces of one pod; `holder` is the process that keeps them."""

    address: IPv4Address
    holder: asyncio.subprocess.Process

    def enter(self, command: Sequence[str]) -> list[str]:
        """The command line that runs `command` inside."""
        return ["nsenter", f"--target={self.holder.pid}", "--net", "--mount", "--root", "--wd", "--", *command]

    def dial(self, command: Sequence[str]) -> list[str]:
        """The command line that runs `command` with the machine's files, but in the pod's network."""
        return ["nsenter", f"--target={self.holder.pid}", "--net", "--", *command]

    async def close(self) -> None:
        """End the holder, and with it the namespaces and the pod's end of the link."""
        with contextlib.suppress(ProcessLookupError):
            self.holder.kill()
        await self.holder.wait()


async def open_namespaces(address: IPv4Address, link: Link, root: Path, mounts: Mounts) -> Namespaces:
    """Make a pod's namespaces, plugged into the bridge; `root` is an empty folder. Raises NetworkError."""
    holder = await asyncio.create_subprocess_exec(
        "unshare", "--net", "--mount", "--propagation=private", "sh", "-ec", root_script(root, mounts),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    namespaces = Namespaces(address, holder)
    try:
        await _ready(holder)
        await _plug(namespaces, link)
    except BaseException:
        await namespaces.close()
        raise
    return namespaces


def root_script(root: Path, mounts: Mounts) -> str:
    """The shell script that builds the pod's root, moves into it, says `ready` and waits for ever."""
    lines = [f"mount -t tmpfs -o mode=0755 tmpfs {_q(root)}", f"cd {_q(root)}"]
    lines.append("mkdir -p proc dev usr etc tmp var/run old && chmod 1777 tmp")
    lines += [f"mount --rbind /{name} {name}" for name in ("proc", "dev", "usr")]
    lines += [f"test ! -e /{name} || ln -s usr/{name} {name}" for name in ("bin", "lib", "lib64", "sbin")]
    lines.append("mount -t tmpfs tmpfs usr/local/bin")  # images bring their programs there, and /usr is the machine's
    for outside, inside in sorted(mounts, key=lambda mount: mount[1]):
        target = inside.lstrip("/")
        if outside.is_dir():
            lines.append(f"mkdir -p {_q(target)}")
        else:
            lines.append(f"mkdir -p $(dirname {_q(target)}) && touch {_q(target)}")
        lines.append(f"mount --bind {_q(outside)} {_q(target)}")
    lines += ["pivot_root . old", "cd /", "umount -l /old", "rmdir /old", "echo ready", "exec sleep infinity"]
    return "\n".join(lines)


async def _ready(holder: asyncio.subprocess.Process) -> None:
    assert holder.stdout is not None and holder.stderr is not None
    if (await holder.stdout.readline()).strip() != b"ready":
        raise NetworkError((await holder.stderr.read()).decode(errors="replace").strip())


async def _plug(namespaces: Namespaces, link: Link) -> None:
    """One end of a veth pair on the bridge, the other in the pod with its address and default route."""
    outer, pid = f"p{int(namespaces.address):08x}", namespaces.holder.pid
    await _run(["ip", "link", "add", outer, "type", "veth", "peer", "name", "eth0", "netns", str(pid)])
    await _run(["ip", "link", "set", outer, "master", link.bridge, "up"])
    inside = [
        "link set lo up",
        f"addr add {namespaces.address}/{link.prefix} dev eth0",
        "link set eth0 up",
        f"route add default via {link.gateway}",
    ]
    await _run(["nsenter", f"--target={pid}", "--net", "--", "ip", "-batch", "-"], "\n".join(inside))


async def _run(command: list[str], text: str = "") -> None:
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, error = await process.communicate(text.encode())
    if process.returncode:
        raise NetworkError(f"{' '.join(command)}: {error.decode(errors='replace').strip()}")


def _q(path: Path | str) -> str:
    return shlex.quote(str(path))
