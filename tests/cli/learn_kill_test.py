#!/usr/bin/env python3
"""Kills `patina learn` at random moments: the artefact is the old one or the new one, whole.

    learn_kill_test.py PATINA FOLDER
"""

import json
import pathlib
import random
import shutil
import signal
import struct
import subprocess
import sys
import time
import zlib

SIDE, KILLS = 32, 12


def png(path, colour, shade):
    """A plain square, a little darker by `shade`."""
    row = b"\0" + bytes(max(0, c - shade) for c in colour) * SIDE
    chunk = lambda kind, data: (struct.pack(">I", len(data)) + kind + data
                                + struct.pack(">I", zlib.crc32(kind + data)))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0))
                     + chunk(b"IDAT", zlib.compress(row * SIDE)) + chunk(b"IEND", b""))


def pictures(folder, colour):
    folder.mkdir(parents=True)
    for i in range(20):
        png(folder / f"{i}.png", colour, i)
    return folder


def main():
    patina, root = sys.argv[1], pathlib.Path(sys.argv[2])
    shutil.rmtree(root, ignore_errors=True)
    red, blue = pictures(root / "red", (220, 30, 30)), pictures(root / "blue", (30, 40, 220))
    run = lambda *words: subprocess.run([patina, *map(str, words)], capture_output=True, text=True)
    file, copy = root / "a.patina", root / "copy.patina"
    made = run("learn", file, "red", red)
    assert made.returncode == 0, made.stderr
    shutil.copy(file, copy)

    begin = time.monotonic()
    whole = run("learn", file, "blue", blue)
    took = time.monotonic() - begin
    assert whole.returncode == 0, whole.stderr

    chance, ends = random.Random(7), {"old": 0, "new": 0}
    for _ in range(KILLS):
        shutil.copy(copy, file)
        learning = subprocess.Popen([patina, "learn", file, "blue", blue], stdout=subprocess.DEVNULL,
                                    stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0, 1.2 * took))
        learning.send_signal(signal.SIGKILL)
        learning.wait()
        asked = run("predict", file, blue / "0.png", "--top", 5, "--json")
        assert asked.returncode == 0, asked.stderr
        found = [one["class"] for one in json.loads(asked.stdout)["classes"]]
        assert found in (["red"], ["blue", "red"]), found
        ends["new" if len(found) == 2 else "old"] += 1
    # What was interrupted is done again, over whatever was left behind.
    shutil.copy(copy, file)
    assert run("learn", file, "blue", blue).returncode == 0
    print(f"{KILLS} kills: {ends['old']} old artefacts, {ends['new']} new ones, none damaged")


if __name__ == "__main__":
    main()
