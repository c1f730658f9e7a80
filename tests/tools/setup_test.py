#!/usr/bin/env python3
"""Runs tools/torch, tools/setup and tools/build with LibTorch folders, interpreters and package managers
that are made up: which LibTorch is taken, what is installed, when a build folder is configured."""

import pathlib
import shutil
import subprocess
import tempfile
import unittest

TOOLS = pathlib.Path(__file__).resolve().parents[2] / "tools"
REAL = "bash sed grep awk sort head tail xargs dirname env cat printf mkdir".split()
PACKAGES = """# apt   dnf   pacman  for
[build]
g++            gcc-c++     gcc     C++ compiler
libfmt-dev     fmt-devel   fmt
chart          -           -       a page
new-format|old-format   -  -       either
[torch]        only sometimes
libtorch-dev   torch-devel torch   LibTorch
"""


class Setup(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name).resolve()
        for name in ("torch", "setup", "build"):
            (self.root / "tools").mkdir(exist_ok=True)
            shutil.copy(TOOLS / name, self.root / "tools" / name)
        (self.root / "tools/packages.txt").write_text(PACKAGES)
        (self.root / "bin").mkdir()
        for name in REAL:
            (self.root / "bin" / name).symlink_to(shutil.which(name))

    def program(self, path, text):
        path = self.root / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/bash\n{text}\n")
        path.chmod(0o755)
        return path

    def torch(self, name, version="2.9.1", abi="", library="libtorch_cpu.so"):
        """A made-up LibTorch: (its root, the folder of its TorchConfig.cmake)."""
        config = self.root / name / "share/cmake/Torch"
        config.mkdir(parents=True)
        (config / "TorchConfig.cmake").write_text(abi + "\n")
        (config / "TorchConfigVersion.cmake").write_text(f'set(PACKAGE_VERSION "{version}")\n')
        (self.root / name / "lib").mkdir()
        (self.root / name / "lib" / library).touch()
        return self.root / name, config

    def apt(self, installed, known):
        self.program("bin/dpkg-query", f'for p in {installed}; do [[ " $* " != *" $p "* ]] || echo -n "/$p installed/"; done')
        self.program("bin/apt-cache", f'for p in {known}; do [[ $2 != $p ]] || exit 0; done; exit 100')
        self.program("bin/apt-get", f'echo "$@" >> {self.root}/log')
        self.program("bin/sudo", 'exec "$@"')

    def run_tool(self, tool, *arguments, **environment):
        done = subprocess.run([self.root / "tools" / tool, *arguments], capture_output=True, text=True,
                              env={"PATH": str(self.root / "bin"), **environment})
        return done.returncode, done.stdout, done.stderr

    def refused(self, named, reason):
        self.assertEqual(self.run_tool("torch", PATINA_TORCH=str(named)),
                         (2, "", f"setup: PATINA_TORCH={named}: {reason}\n"))

    def log(self):
        path = self.root / "log"
        return path.read_text().splitlines() if path.exists() else []

    def test_the_one_that_is_named(self):
        root, config = self.torch("torch")
        python = self.program("venv/bin/python3", f"echo {root}")
        self.program("bin/python3", "echo /nowhere")
        expected = (0, f"{config}\nanother\nLibTorch 2.9.1 (PATINA_TORCH names it): {config}\n", "")
        for named in (root, python.parent.parent, python):
            self.assertEqual(self.run_tool("torch", PATINA_TORCH=str(named)), expected)

    def test_a_name_of_nothing(self):
        self.refused("/nowhere", "neither a folder nor a program; name the folder of a LibTorch or of a virtual "
                                 "environment, a Python interpreter, or debian")
        self.refused(self.root, f"no share/cmake/Torch/TorchConfig.cmake in {self.root}")
        python = self.program("venv/bin/python3", "echo")
        self.refused(python, f"this Python has no torch; install one: {python} -m pip install torch")

    def test_the_old_abi(self):
        root, _ = self.torch("torch", "2.4.0", abi='set(TORCH_CXX_FLAGS "-D_GLIBCXX_USE_CXX11_ABI=0")')
        self.refused(root, "it (2.4.0) was built with the old C++ ABI, so that nothing a compiler builds today can be "
                           "linked with it; PyTorch's own packages have the new one from 2.7 on: pip install --upgrade "
                           "torch")
        root, _ = self.torch("new", "2.4.0", abi='set(TORCH_CXX_FLAGS "-D_GLIBCXX_USE_CXX11_ABI=1")')
        self.assertEqual(self.run_tool("torch", PATINA_TORCH=str(root))[0], 0)

    def test_versions(self):
        self.refused(self.torch("old", "1.9.1")[0], "it is 1.9.1; patina needs 1.13 or later")
        for version in ("1.13", "1.13.1", "10.0.0"):
            root, _ = self.torch(version, version)
            self.assertEqual(self.run_tool("torch", PATINA_TORCH=str(root))[0], 0)

    def test_cuda_needs_no_toolkit(self):
        root, _ = self.torch("torch", library="libtorch_cuda.so")
        status, _, _ = self.run_tool("torch", PATINA_TORCH=str(root), CUDA_HOME=str(self.root / "cuda"))
        self.assertEqual(status, 0)

    def test_the_active_python(self):
        root, config = self.torch("torch")
        python = self.program("bin/python3", f"echo {root}")
        self.assertEqual(self.run_tool("torch"), (
            0, f"{config}\nanother\nLibTorch 2.9.1 (the active Python's, {python}): {config}\n", ""))
        status, out, _ = self.run_tool("torch", PATINA_TORCH="debian")
        self.assertEqual(status, 0)
        self.assertNotIn(str(config), out)

    def test_the_distribution_serves_where_the_active_python_does_not(self):
        faults = {"there is no Python": None, "the active Python has no torch": "echo",
                  "the active Python's torch comes without CMake's files": "echo /nowhere"}
        for why, text in faults.items():
            if text:
                self.program("bin/python3", text)
            status, out, _ = self.run_tool("torch")
            self.assertEqual((status, out.splitlines()[1]), (0, "distribution"))
            self.assertIn(why, out.splitlines()[2])
        root, _ = self.torch("torch", "1.12.0")
        self.program("bin/python3", f"echo {root}")
        status, out, _ = self.run_tool("torch")
        self.assertEqual((status, out.splitlines()[1]), (0, "distribution"))
        self.assertIn(f", not the active Python's in {root}: it is 1.12.0; patina needs", out)

    def test_installs_what_is_missing(self):
        self.apt(installed="g++", known="libfmt-dev chart old-format libtorch-dev")
        status, out, err = self.run_tool("setup")
        self.assertEqual((status, err), (0, ""))
        self.assertEqual(out.splitlines()[-1], "setup: installing libfmt-dev chart old-format libtorch-dev")
        self.assertEqual(self.log(), [
            "update -q", "install -q -y --no-install-recommends libfmt-dev chart old-format libtorch-dev"])

    def test_sections_that_are_asked_for(self):
        (self.root / "tools/packages.txt").write_text(PACKAGES + "[python]\npython3-dev - -\n[ci]\nclang - -\n")
        self.apt(installed="g++ libfmt-dev chart old-format libtorch-dev", known="python3-dev clang")
        self.assertEqual(self.run_tool("setup", "--python")[1].splitlines()[-1], "setup: installing python3-dev")
        self.assertEqual(self.run_tool("setup", "--ci", "--python")[1].splitlines()[-1],
                         "setup: installing python3-dev clang")
        self.assertEqual(self.run_tool("setup", "--pyhton"),
                         (2, "", "setup: --pyhton is not known; there are --ci and --python\n"))

    def test_pytorch_has_its_own_libraries(self):
        root, config = self.torch("torch")
        self.apt(installed="g++ libfmt-dev old-format", known="chart")
        self.assertEqual(self.run_tool("setup", PATINA_TORCH=str(root)), (
            0, f"setup: LibTorch 2.9.1 (PATINA_TORCH names it): {config}\nsetup: installing chart\n", ""))

    def test_nothing_is_missing(self):
        self.apt(installed="g++ libfmt-dev chart old-format libtorch-dev", known="")
        self.assertEqual(self.run_tool("setup")[0], 0)
        self.assertEqual(self.log(), [])

    def test_without_apt(self):
        root, _ = self.torch("torch")
        wheel = {"PATINA_TORCH": str(root)}
        self.assertEqual(self.run_tool("setup", **wheel)[2], "setup: not found: c++, cmake, ninja\n")
        for name in ("c++", "cmake", "ninja"):
            self.program(f"bin/{name}", "true")
        status, out, err = self.run_tool("setup", **wheel)
        self.assertEqual((status, err), (0, ""))
        self.assertIn("here is neither apt nor dnf nor pacman", out)

        self.program("bin/pacman", '[[ $1 == -T ]] && echo fmt && exit 127')
        status, _, err = self.run_tool("setup", **wheel)
        self.assertEqual((status, err.splitlines()[0]),
                         (2, "setup: there is no apt here; as root, run: pacman -S fmt"))

        self.program("bin/dnf", "true")
        self.program("bin/rpm", '[[ ${@: -1} == fmt-devel ]]')
        status, _, err = self.run_tool("setup", **wheel)
        self.assertEqual((status, err.splitlines()[0]),
                         (2, "setup: there is no apt here; as root, run: dnf install gcc-c++"))
        self.program("bin/rpm", "true")
        self.assertEqual(self.run_tool("setup", **wheel)[0], 0)

    def test_a_build_folder_follows_the_choice(self):
        (one, first), (two, second) = self.torch("one"), self.torch("two")
        self.program("bin/cmake", f'''echo "$@" >> {self.root}/log
for argument; do
  if [[ $argument == -DTorch_DIR=* ]]; then
    mkdir -p {self.root}/build
    echo "Torch_DIR:PATH=${{argument#*=}}" > {self.root}/build/CMakeCache.txt
  fi
done''')
        said = [self.run_tool("build", "a_test", PATINA_TORCH=str(named))[1] for named in (one, one, two)]
        self.assertEqual(self.log(), [
            f"--preset release -B build -DTorch_DIR={first}", "--build build --target a_test",
            "--build build --target a_test",
            f"-B build -U Torch_DIR -U TORCH_LIBRARY -U Caffe2_DIR -U c10_LIBRARY -U kineto_LIBRARY "
            f"-DTorch_DIR={second}", "--build build --target a_test"])
        self.assertEqual(said[1], "")
        self.assertIn(f"build was made with the LibTorch of {first} and is made anew with LibTorch 2.9.1", said[2])


if __name__ == "__main__":
    unittest.main()
