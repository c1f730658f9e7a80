#!/usr/bin/env python3
"""Sources that must not compile: what patina's types promise is broken in one line each.

    must_not_compile_test.py BUILD     the build folder whose compiler and options are taken

A case is a file of cases/ in a namespace of its own. The line that must fail ends in
"// expect: REGEX", the compiler's message; with CONTROL defined the same file must compile. All cases
are one source, since their headers cost most: it is compiled once as it is, when every expected line must
have its error and no other line any, and once with CONTROL.
"""

import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
CASES = sorted((HERE / "cases").glob("*.cc"))
PLACE = re.compile(r"^(?P<path>[^\s:][^:\n]*):(?P<line>\d+):(?:\d+:)?\s+(?P<text>.*)$")


def command_of(build):
    """How the build compiles a case, without its output and its input."""
    for entry in json.loads((build / "compile_commands.json").read_text()):
        if pathlib.Path(entry["file"]) == CASES[0]:
            words = shlex.split(entry["command"])
            at = words.index("-o")
            return entry["directory"], words[:at] + [word for word in words[at + 2:]
                                                     if word not in ("-c", str(CASES[0]))]
    sys.exit(f"{build}/compile_commands.json does not know {CASES[0]}")


def errors(directory, command, *more):
    """(file, line) of each error and its message. Of one inside a template, where the case asked for it."""
    source = "".join(f'#include "{case}"\n' for case in CASES)
    clang = "clang" in subprocess.run([command[0], "--version"], capture_output=True, text=True).stdout
    limit = ["-ferror-limit=0"] if clang else []
    done = subprocess.run([*command, *limit, *more, "-fsyntax-only", "-fno-diagnostics-color", "-x", "c++", "-"],
                          input=source, cwd=directory, capture_output=True, text=True,
                          env={**os.environ, "LC_ALL": "C"})
    found, asked = [], None
    for line in done.stderr.splitlines():
        place = PLACE.match(line)
        if not place:
            continue
        at = (pathlib.Path(place["path"]), int(place["line"]))
        text = place["text"]
        if re.match(r"required from here|in 'constexpr' expansion of|in instantiation of .* requested here",
                    text.removeprefix("note: ")) and at[0] in CASES:
            asked = at
            if clang and found:  # which says it afterwards
                found[-1] = (at, found[-1][1])
        elif re.match(r"(fatal )?error: ", text):
            # Errors that follow one have no place of their own; the control shows those of headers.
            if at[0] in CASES:
                asked = at
            found.append((asked or at, text))
    if done.returncode and not found:
        sys.exit(f"the compiler did not run:\n{done.stderr}")
    return found


def main():
    directory, command = command_of(pathlib.Path(sys.argv[1]).resolve())
    expected = {}
    faults = []
    for case in CASES:
        for number, line in enumerate(case.read_text().splitlines(), 1):
            if "// expect: " in line:
                expected[case, number] = line.split("// expect: ")[1]
        if not any(path == case for path, _ in expected):
            faults.append(f"{case.name}: no line ends in // expect: REGEX")

    said = {at: [] for at in expected}
    for at, text in errors(directory, command):
        if at in said:
            said[at].append(text)
        else:
            faults.append(f"{at[0].name}:{at[1]}: an error that is not expected: {text}")
    for (path, line), texts in said.items():
        if not texts:
            faults.append(f"{path.name}:{line}: compiles, though it must not")
        elif not any(re.search(expected[path, line], text) for text in texts):
            faults.append(f"{path.name}:{line}: expected {expected[path, line]!r}, not: {texts[0]}")
    faults += [f"{path.name}:{line}: the control does not compile: {text}"
               for (path, line), text in errors(directory, command, "-DCONTROL")]
    for fault in faults:
        print(fault)
    print(f"{len(CASES)} cases, {len(expected)} lines that must not compile, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
