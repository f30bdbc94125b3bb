"""Training over MPI across two hosts, and a connection that breaks in the middle: on one Linux machine, as root.

    sudo python benchmarks/two_hosts.py

The hosts are two network namespaces with addresses of their own, joined by a pair of virtual interfaces: what one
sends to the other goes through the network's code and nowhere else.  mpiexec runs on the first and starts ranks on
both, by a script in the place of ssh.  The weights must be those of one process; with the link down every rank must
end with one sentence, and its checkpoint go on to the same bits.  Needs iproute2, and the extra `mpi` with MPICH.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from killed_ranks import processes

import numpy_diffusion as nd

HOSTS = {"10.77.0.1": "nd-one", "10.77.0.2": "nd-two"}  # namespaces by address
# Else MPICH sees by the machine's number that both hosts are one, and goes by its memory.
BY_NETWORK = {"MPIR_CVAR_CH4_NETMOD": "ucx", "UCX_TLS": "tcp,self"}
PATIENCE = 10  # seconds
ENTER = """#!/bin/sh
# In the place of ssh: enter.sh [options] address command...
while [ "${1#-}" != "$1" ]; do shift; done
case "$1" in
%s
esac
shift
exec ip netns exec "$space" unshare --uts sh -c "hostname $space; exec $*"
"""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def join() -> None:
    """Make the two hosts and the link between them."""
    for space in HOSTS.values():
        ip("netns", "add", space)
        ip("-n", space, "link", "set", "lo", "up")
    one, two = HOSTS.values()
    ip("link", "add", "nd0", "netns", one, "type", "veth", "peer", "name", "nd0", "netns", two)
    for address, space in HOSTS.items():
        ip("-n", space, "address", "add", f"{address}/24", "dev", "nd0")
        link(space, "up")


def link(space: str, state: str) -> None:
    ip("-n", space, "link", "set", "nd0", state)


def part() -> None:
    for space in HOSTS.values():
        subprocess.run(["ip", "netns", "delete", space], check=False, stderr=subprocess.DEVNULL)


def command(folder: Path, *more: str) -> list[str]:
    line = "-m numpy_diffusion train --quiet --data scenes --n 100 --channels 8,16 --attention none"
    line += " --steps 150 --batch 32 --checkpoint-every 5"
    return [sys.executable, *line.split(), "--out", str(folder), *more]


def on_both(room: Path, ranks: int, *line: str) -> list[str]:
    """The command on so many ranks of each host."""
    script = room / "enter.sh"
    cases = "\n".join(f"{address}) space={space};;" for address, space in HOSTS.items())
    script.write_text(ENTER % cases)
    script.chmod(0o755)
    own = Path(sys.executable).with_name("mpiexec")
    mpiexec = str(own) if own.exists() else "mpiexec"
    first = next(iter(HOSTS.values()))
    started = ["ip", "netns", "exec", first, mpiexec, "-launcher", "ssh", "-launcher-exec", str(script)]
    started += ["-iface", "nd0", "-hosts", ",".join(HOSTS), "-n", str(2 * ranks), "-ppn", str(ranks)]
    return [*started, "-disable-auto-cleanup", *line]


def result(folder: Path) -> np.ndarray:
    run = nd.load_run(folder)
    return np.concatenate([run.model.buffer, run.losses])


def main() -> None:
    if os.geteuid() != 0 or shutil.which("ip") is None:
        raise SystemExit("expected root and iproute2, to make network namespaces")
    room = Path(tempfile.mkdtemp())
    os.environ |= {"NUMBA_NUM_THREADS": "1", "NUMPY_DIFFUSION_MPI_SECONDS": str(PATIENCE)} | BY_NETWORK
    part()
    try:
        join()
        subprocess.run(command(room / "one"), check=True)
        expected = result(room / "one")
        for ranks in (1, 2):
            begun = time.monotonic()
            subprocess.run(on_both(room, ranks, *command(room / f"two{ranks}")), check=True)
            np.testing.assert_array_equal(result(room / f"two{ranks}"), expected)
            print(
                f"2 hosts, {ranks} ranks each: the bits of one process, {time.monotonic() - begun:.1f} s", flush=True
            )
        print(broken(room, expected), flush=True)
        if (script := Path(__file__).with_name("two_hosts_dask.py")).exists():
            with_dask(script)
    finally:
        part()
        shutil.rmtree(room)


def broken(room: Path, expected: np.ndarray) -> str:
    """Take the link down in the middle, see all ranks end, and go on."""
    folder, space, log = room / "broken", list(HOSTS.values())[1], room / "log"
    with log.open("w") as file:
        job = subprocess.Popen(on_both(room, 2, *command(folder)), stderr=file, start_new_session=True)
    while not (folder / "config.json").exists() or nd.load_run(folder).step == 0:
        time.sleep(0.01)
    link(space, "down")
    begun = time.monotonic()
    while left := processes(folder):
        if time.monotonic() - begun > 60 + 2 * PATIENCE:
            raise SystemExit(f"expected all ranks to end, got {len(left)} that wait")
        time.sleep(0.1)
    seconds = time.monotonic() - begun
    os.killpg(job.pid, signal.SIGKILL)  # mpiexec waits for the other host
    job.wait()
    link(space, "up")
    said = [line for line in log.read_text().splitlines() if "error: comm: " in line]
    if not said:
        raise SystemExit(f"expected a sentence of each rank on this side, got {log.read_text()!r}")
    kept = nd.load_run(folder).step
    subprocess.run(on_both(room, 1, *command(folder, "--resume")), check=True)
    np.testing.assert_array_equal(result(folder), expected)
    return "\n".join([*said, f"link down: all ended in {seconds:.1f} s, {kept} steps kept, resumed to the same bits"])


def with_dask(script: Path) -> None:
    """The script that stands beside this one, on a scheduler on the first host and a worker on each."""
    address, first = next(iter(HOSTS.items()))
    scheduler = f"tcp://{address}:8786"
    enter, own = ["ip", "netns", "exec"], [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    lines = [[*enter, first, *own, "--host", address, "--port", "8786", "--no-dashboard"]]
    for host, space in HOSTS.items():
        own = [sys.executable, "-m", "distributed.cli.dask_worker", scheduler, "--nthreads", "1", "--no-dashboard"]
        lines.append([*enter, space, *own, "--host", host])
    jobs = [subprocess.Popen(line, stderr=subprocess.DEVNULL) for line in lines]
    try:
        time.sleep(5.0)
        subprocess.run([*enter, first, sys.executable, str(script), scheduler], check=True)
    finally:
        for job in reversed(jobs):
            job.terminate()
            job.wait(30)


if __name__ == "__main__":
    main()
