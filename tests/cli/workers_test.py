#!/usr/bin/env python3
"""Runs of several workers: processes started by `--workers` or by a launcher's variables, on one host
and on hosts of their own (network namespaces, where this user may make them). Their results are the
bits of one process, also when a worker is killed, the network breaks and another number goes on.

    workers_test.py PATINA FOLDER

Needs Debian's dataset-fashion-mnist; 77: it is not installed, or this patina has no workers.
"""

import importlib.machinery
import importlib.util
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = pathlib.Path("/usr/share/datasets/fashion-mnist")
BASE = ["--set", "data.name=fashion-mnist", "--set", "data.train_per_class=60", "--set", "data.test_per_class=20",
        "--set", "training.shards=4"]
# Of a memory, a network that is trained whole, one that is adapted, and of closed forms.
RUNS = {
    "er": ["recipes/split_mnist/er.toml"],
    "finetune": ["recipes/fashion_mnist/finetune.toml", "--set", "training.epochs=1", "--set",
                 "training.batch_size=16", "--set", "data.train_per_class=6", "--set", "data.test_per_class=4"],
    "ranpac": ["recipes/fashion_mnist/ranpac.toml", "--set", "learner.projection=200", "--set",
               "data.train_per_class=20", "--set", "data.test_per_class=4"],
}


def kill_runs():
    loader = importlib.machinery.SourceFileLoader("kill_runs", str(ROOT / "tools/kill_runs"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("kill_runs", loader))
    loader.exec_module(module)
    return module


result = kill_runs().result


class Runs:
    def __init__(self, patina, folder):
        self.patina, self.folder = patina, folder

    def words(self, name, out, *extra):
        recipe, *settings = RUNS[name]
        return [self.patina, "run", str(ROOT / recipe), *BASE, *settings, "--no-cache", "--out", str(self.folder / out), *extra]

    def start(self, name, out, *extra, variables=None, inside=()):
        return subprocess.Popen([*inside, *self.words(name, out, *extra)], cwd=ROOT, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                env={**os.environ, **(variables or {})})

    def whole(self, name, out, *extra):
        run = subprocess.run(self.words(name, out, *extra), cwd=ROOT, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        return result(self.folder / out)


def ended(process, seconds=120):
    try:
        said, told = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, said, told


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def children_of(process):
    """The workers of a run, by rank."""
    found = {}
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            if parent == process.pid:
                variables = (path.parent / "environ").read_bytes().split(b"\0")
                rank = next(int(v.split(b"=")[1]) for v in variables if v.startswith(b"PATINA_WORKER_RANK="))
                found.setdefault(rank, int(path.parent.name))
        except (OSError, StopIteration):
            continue
    return found


def wait_for(condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.01)


def same_bits(runs):
    for name in RUNS:
        one = runs.whole(name, f"{name}_1")
        assert one["status"] == "complete"
        for workers in (2, 4):
            assert runs.whole(name, f"{name}_{workers}", "--workers", str(workers)) == one, f"{name}, {workers} workers"
        print(f"{name}: 1, 2 and 4 workers have the same bits", flush=True)


def a_launcher(runs):
    """As torchrun, mpirun and srun start a program: several times, with variables."""
    port = free_port()
    started = [runs.start("er", "launched", variables={
        "RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
        "GLOO_SOCKET_IFNAME": "lo"}) for rank in range(2)]
    answers = [ended(process) for process in started]
    assert [answer[0] for answer in answers] == [0, 0], answers
    assert answers[1][1] == "" and "er" in answers[0][1], "the first alone tells what came out"
    assert result(runs.folder / "launched") == result(runs.folder / "er_1")
    # Started anew after a failure, it goes on: nobody has to say --resume.
    again = [runs.start("er", "launched", variables={
        "RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
        "GLOO_SOCKET_IFNAME": "lo", "TORCHELASTIC_RESTART_COUNT": "1"}) for rank in range(2)]
    assert [ended(process)[0] for process in again] == [0, 0]
    print("launched by variables: the same bits", flush=True)


def kills(runs):
    """A worker is killed while it learns, whichever it is; another number of workers goes on."""
    for victim, then in ((1, 1), (0, 3)):
        out = f"killed_{victim}"
        process = runs.start("er", out, "--workers", "2", "--set", "run.checkpoint_minutes=0.0005")
        wait_for(lambda: (runs.folder / out / "checkpoint.previous.safetensors").exists())
        os.kill(children_of(process)[victim], signal.SIGKILL)
        status, _, told = ended(process)
        assert status not in (0, -signal.SIGKILL), told
        assert f"worker {victim} of 2 was ended by signal 9" in told and "--resume" in told, told
        runs.whole("er", out, "--workers", str(then), "--set", "run.checkpoint_minutes=0.0005", "--resume")
        found, expected = result(runs.folder / out), result(runs.folder / "er_1")
        assert found == expected, f"after worker {victim} was killed"
    print("killed workers: the run ends with a clear message and goes on to the same bits", flush=True)


def stops(runs):
    """Ctrl-C ends all at the same step; with the launcher, they end too."""
    process = runs.start("er", "stopped", "--workers", "2", "--set", "run.checkpoint_minutes=0.0005")
    wait_for(lambda: (runs.folder / "stopped/checkpoint.safetensors").exists())
    process.send_signal(signal.SIGINT)
    status, _, told = ended(process)
    assert status == 128 + signal.SIGINT and "stopped" in told, (status, told)
    runs.whole("er", "stopped", "--workers", "4", "--set", "run.checkpoint_minutes=0.0005", "--resume")
    assert result(runs.folder / "stopped") == result(runs.folder / "er_1")

    process = runs.start("er", "orphaned", "--workers", "2", "--set", "run.checkpoint_minutes=0.0005")
    wait_for(lambda: (runs.folder / "orphaned/checkpoint.safetensors").exists())
    workers = children_of(process).values()
    process.kill()
    ended(process)
    wait_for(lambda: not any(pathlib.Path(f"/proc/{pid}").exists() and "Z" not in
                             pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:3] for pid in workers))
    print("stopped and orphaned workers end", flush=True)


def mistakes(runs):
    def refused(*extra, variables=None):
        status, _, told = ended(runs.start("er", "refused", *extra, variables=variables))
        assert status == 2, (status, told)
        return told
    assert "MASTER_ADDR" in refused(variables={"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "2"})
    assert "leave --workers out" in refused("--workers", "3", variables={
        "RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"})
    told = refused(variables={"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1",
                              "MASTER_PORT": str(free_port()), "PATINA_WORKER_TIMEOUT": "2"})
    assert "did not meet the others" in told, told
    assert "shards" in ended(runs.start("er", "warned", "--workers", "2", "--set", "training.shards=1"))[2]
    print("mistakes are told", flush=True)


class Hosts:
    """Two hosts on one cable: network namespaces."""

    NAMES = ("patina-a", "patina-b")

    def __enter__(self):
        self.leave()
        self.ip("link", "add", "patina-va", "type", "veth", "peer", "name", "patina-vb")
        for i, name in enumerate(self.NAMES):
            self.ip("netns", "add", name)
            self.ip("link", "set", f"patina-v{'ab'[i]}", "netns", name)
            self.ip("-n", name, "addr", "add", f"10.77.0.{i + 1}/24", "dev", f"patina-v{'ab'[i]}")
            for device in (f"patina-v{'ab'[i]}", "lo"):
                self.ip("-n", name, "link", "set", device, "up")
        return self

    def __exit__(self, *_):
        self.leave()

    def leave(self):
        for name in self.NAMES:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)

    @staticmethod
    def ip(*words):
        subprocess.run(["ip", *words], check=True, capture_output=True)

    @staticmethod
    def possible():
        if os.geteuid() != 0 or not shutil.which("ip"):
            return False
        made = subprocess.run(["ip", "netns", "add", "patina-try"], capture_output=True).returncode == 0
        veth = made and subprocess.run(["ip", "link", "add", "patina-t0", "type", "veth", "peer", "name", "patina-t1"],
                                       capture_output=True).returncode == 0
        if veth:
            subprocess.run(["ip", "link", "del", "patina-t0"], capture_output=True)
        if made:
            subprocess.run(["ip", "netns", "del", "patina-try"], capture_output=True)
        return veth

    def start(self, runs, out, *extra):
        return [runs.start("er", out, *extra, inside=("ip", "netns", "exec", name), variables={
            "RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "10.77.0.1", "MASTER_PORT": "29577",
            "GLOO_SOCKET_IFNAME": f"patina-v{'ab'[rank]}", "PATINA_WORKER_TIMEOUT": "4"})
                for rank, name in enumerate(self.NAMES)]


def hosts(runs):
    if not Hosts.possible():
        print("hosts of their own: not tried, as this user may not make network namespaces", flush=True)
        return
    with Hosts() as two:
        answers = [ended(process) for process in two.start(runs, "hosts")]
        assert [answer[0] for answer in answers] == [0, 0], answers
        assert result(runs.folder / "hosts") == result(runs.folder / "er_1")
        # The cable is pulled: nobody hears of it, so that time has to tell.
        started = two.start(runs, "partition", "--set", "run.checkpoint_minutes=0.0005")
        wait_for(lambda: (runs.folder / "partition/checkpoint.previous.safetensors").exists())
        two.ip("-n", two.NAMES[1], "link", "set", "patina-vb", "down")
        answers = [ended(process, 60) for process in started]
        for rank, (status, _, told) in enumerate(answers):
            assert status == 2 and re.search(rf"worker {rank} of 2 lost the others", told), (status, told)
    runs.whole("er", "partition", "--set", "run.checkpoint_minutes=0.0005", "--resume")
    assert result(runs.folder / "partition") == result(runs.folder / "er_1")
    print("two hosts: the same bits; a cut cable ends both, and one goes on alone to the same bits", flush=True)


def main():
    if not DATA.exists():
        print(f"{DATA} is not installed")
        sys.exit(77)
    folder = pathlib.Path(sys.argv[2])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    runs = Runs(sys.argv[1], folder)
    told = ended(runs.start("er", "tried", "--workers", "2"))[2]
    if "built without workers" in told:
        print("this patina was built without workers")
        sys.exit(77)
    for part in (same_bits, a_launcher, kills, stops, mistakes, hosts):
        part(runs)


if __name__ == "__main__":
    main()
