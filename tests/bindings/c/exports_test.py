#!/usr/bin/env python3
"""Compares what libpatina_c shows to other programs with what its header declares.

    tests/bindings/c/exports_test.py build/bindings/c/libpatina_c.so
"""

import pathlib
import re
import subprocess
import sys

HEADER = pathlib.Path(__file__).resolve().parents[3] / "bindings/c/patina.h"


def main():
    declared = set(re.findall(r"^PATINA_EXPORT [^(]*?(\w+)\(", HEADER.read_text(), re.MULTILINE))
    listed = subprocess.run(["nm", "--dynamic", "--defined-only", sys.argv[1]], check=True, capture_output=True,
                            text=True).stdout
    shown = {name for kind, name in re.findall(r"^\S+ (\w) ([^@\n]+)", listed, re.MULTILINE) if kind != "A"}
    for name in sorted(declared - shown):
        print(f"{name} is declared and not exported: bindings/c/exports.map")
    for name in sorted(shown - declared):
        print(f"{name} is exported and not declared")
    return int(declared != shown or not declared)


if __name__ == "__main__":
    sys.exit(main())
