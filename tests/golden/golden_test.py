#!/usr/bin/env python3
"""Golden runs: every recipe of this folder must give the accuracies that its comment tells.

    golden_test.py [FILE...] [--patina BIN]              compares; without files, all of them
    golden_test.py [FILE...] --update                    writes what was measured into the files

A golden run is one file: a recipe that ends in a comment as this one,

    # golden: within 3
    # 0:     -     -
    # 1:  97.0     -
    # 2:  12.0  95.0

percent of each task (columns) before learning and after each task (rows), "-" where the learner
could not be asked. "within" is how far, in points, another processor or another LibTorch may move an entry; a learner without its method
moves further. A new file is a new golden run; --update fills it in.
Exits with 77 where the data set is not installed.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

FOLDER = pathlib.Path(__file__).resolve().parent
GOLDEN = re.compile(r"^# golden: within ([\d.]+)\n((?:# \d+:.*\n?)*)", re.MULTILINE)
MISSING = "dataset-fashion-mnist"
SKIPPED = 77


def expected(path):
    """(tolerance in points, rows of percents)"""
    found = GOLDEN.search(path.read_text())
    if not found:
        sys.exit(f'{path}: no line "# golden: within POINTS"; write one, then run {pathlib.Path(__file__).name} --update')
    rows = [[None if cell == "-" else float(cell) for cell in line.partition(":")[2].split()]
            for line in found[2].splitlines()]
    return float(found[1]), rows


def measured(program, path):
    """(rows of percents, processor seconds), or None where the data set is missing."""
    with tempfile.TemporaryDirectory(prefix="patina-golden-") as folder:
        run = pathlib.Path(folder, "run")
        before = os.times()
        done = subprocess.run([program, "run", str(path), "--out", str(run), "--threads", "2"], cwd=folder,
                              env=os.environ | {"XDG_CACHE_HOME": folder}, capture_output=True, text=True)
        after = os.times()
        if done.returncode != 0:
            if MISSING in done.stderr:
                return None
            sys.exit(f"{path}: the run failed\n{done.stderr}")
        matrix = json.loads((run / "record.json").read_text())["matrix"]
    seconds = after.children_user - before.children_user + after.children_system - before.children_system
    return [[None if cell is None else 100 * cell for cell in row] for row in matrix], seconds


def text_of_cell(cell):
    return "-" if cell is None else f"{cell:.1f}"


def text_of(rows):
    return "".join(f"# {after}: " + "".join(f"{text_of_cell(cell):>6}" for cell in row) + "\n"
                   for after, row in enumerate(rows))


def alike(cell, wanted, tolerance):
    if cell is None or wanted is None:
        return cell is wanted
    return abs(cell - wanted) <= tolerance + 0.051  # the file has one decimal


def update(path, rows):
    text = path.read_text()
    tolerance, _ = expected(path)
    found = GOLDEN.search(text)
    path.write_text(text[:found.start()] + f"# golden: within {tolerance:g}\n" + text_of(rows) + text[found.end():])


def differences(wanted, rows, tolerance):
    if [len(row) for row in wanted] != [len(row) for row in rows]:
        yield f"a matrix of {len(rows)} rows of {len(rows[0])}, expected {len(wanted)} of {len(wanted[0]) if wanted else 0}"
        return
    for after, (row, wanted_row) in enumerate(zip(rows, wanted)):
        for task, (cell, wanted_cell) in enumerate(zip(row, wanted_row), 1):
            if not alike(cell, wanted_cell, tolerance):
                yield (f"task {task} after {after} tasks: {text_of_cell(cell)} % instead of "
                       f"{text_of_cell(wanted_cell)} % (within {tolerance:g})")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    parser.add_argument("--patina", default=os.environ.get("PATINA", str(FOLDER.parents[1] / "build/bin/patina")))
    parser.add_argument("--update", action="store_true", help="write the measured accuracies into the files")
    options = parser.parse_args()

    files = options.files or sorted(FOLDER.glob("*.toml"))
    if not files:
        sys.exit("no golden run was found")
    failed = []
    for path in (file.resolve() for file in files):
        tolerance, wanted = expected(path)
        found = measured(options.patina, path)
        if found is None:
            print(f"{path.name}: needs Debian's {MISSING}")
            return SKIPPED
        rows, seconds = found
        if options.update:
            update(path, rows)
            print(f"{path.name}: written, {seconds:.1f} s of processor time")
            continue
        wrong = list(differences(wanted, rows, tolerance))
        print(f"{path.name}: {'DIFFERS' if wrong else 'as expected'}, {seconds:.1f} s of processor time")
        if wrong:
            failed.append(path)
            print("\n".join("  " + line for line in wrong), "\n  measured:", text_of(rows), sep="\n")
    if failed:
        names = " ".join(os.path.relpath(path) for path in failed)
        print("A learner gives other accuracies than before. If no change of results was meant, this is a fault:\n"
              "find it with `git bisect run` and this command. If it was meant, look at the new numbers, say in the\n"
              f"commit message why they are right, and write them: {os.path.relpath(__file__)} --update {names}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
