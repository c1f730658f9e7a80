#!/usr/bin/env python3
"""Builds the wheel, installs it in a fresh virtual environment and runs the tests of the Python module there.

    tests/bindings/python/wheel_test.py SCRATCH

The PyTorch is that of the Python that PATINA_TORCH names (an interpreter or a virtual environment), else of the
active one. Where there is none, or pip cannot get what building needs, the test is skipped with status 77.
"""

import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
FIND = "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s else '')"


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(77)


def site_of_torch():
    """The folder with PyTorch, as a Python that has it imports it."""
    named = os.environ.get("PATINA_TORCH", "")
    python = shutil.which(named) or shutil.which("python3", path=str(pathlib.Path(named, "bin"))) if named else "python3"
    if not python:
        skip(f"PATINA_TORCH={named} is neither a Python nor a virtual environment")
    found = subprocess.run([python, "-c", FIND], capture_output=True, text=True).stdout.strip()
    if not found:
        skip(f"{python} has no PyTorch; PATINA_TORCH may name a Python that has one")
    if not pathlib.Path(found, "lib", "libtorch_python.so").exists():
        skip(f"the PyTorch in {found} has no libtorch_python.so")
    return python, pathlib.Path(found).parent


def environment(folder, python, site, packages):
    """The Python of a new virtual environment that sees PyTorch where it is, with these packages."""
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([python, "-m", "venv", folder], check=True)
    new = folder / "bin" / "python3"
    path = subprocess.run([new, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], check=True,
                          capture_output=True, text=True).stdout.strip()
    pathlib.Path(path, "torch_of_another.pth").write_text(f"{site}\n")
    done = subprocess.run([new, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages],
                          capture_output=True, text=True)
    if done.returncode:
        skip(f"pip did not get {', '.join(packages)}: {done.stderr.strip()[-300:]}")
    return new


def main():
    scratch = pathlib.Path(sys.argv[1]).resolve()
    scratch.mkdir(parents=True, exist_ok=True)
    python, site = site_of_torch()
    builder = environment(scratch / "builder", python, site, ["scikit-build-core"])
    wheel = subprocess.run([ROOT / "tools" / "wheel", builder], check=True, stdout=subprocess.PIPE,
                           text=True).stdout.strip().splitlines()[-1]
    user = environment(scratch / "user", python, site, ["pytest", "numpy", "pillow", "scikit-learn"])
    subprocess.run([user, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", wheel],
                   check=True)
    # From another folder, so that it is the installed module that is imported.
    tests = [ROOT / "tests" / "bindings" / "python", "-q", "-p", "no:cacheprovider"]
    return subprocess.run([user, "-B", "-m", "pytest", *tests], cwd=scratch).returncode


if __name__ == "__main__":
    sys.exit(main())
