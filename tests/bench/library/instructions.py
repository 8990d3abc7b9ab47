#!/usr/bin/env python3
"""Counts the instructions of each step by callgrind; library.sh says how.

A step is made often enough that one million instructions or more count, and the figure is that of
one element: a probe, a message, a destination.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

KEPT = pathlib.Path(__file__).with_name("instructions.json")
LEAST = 1_000_000
# Counts of the same program differ by less, in percent.
NOISE = 1


def count(program, name, times):
    """Instructions of one step."""
    with tempfile.TemporaryDirectory() as directory:
        out = pathlib.Path(directory) / "callgrind.out"
        command = [
            "valgrind",
            "--tool=callgrind",
            "--toggle-collect=*measured*",
            f"--callgrind-out-file={out}",
            program,
            name,
            str(times),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"instructions.py: {' '.join(command)}: {done.stderr}")
        totals = [line for line in out.read_text().splitlines() if line.startswith("totals:")]
    return int(totals[0].split()[1]) / times


def main():
    program, *options = sys.argv[1:]
    if options not in ([], ["--update"]):
        sys.exit("usage: instructions.py PROGRAM [--update]")
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    listed = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    found = {}
    print(f"{'instructions':32}{'now':>12}{'kept':>12}{'change':>10}")
    for name, elements in (line.split() for line in listed.splitlines()):
        once = count(program, name, 1)
        times = max(1, round(LEAST / once))
        each = (count(program, name, times) if times > 1 else once) / int(elements)
        found[name] = round(each, 1)
        before = kept.get(name)
        change = (each / before - 1) * 100 if before else None
        shown = "new" if change is None else f"{change:+.1f} %"
        mark = " *" if change is not None and abs(change) >= NOISE else ""
        old = "-" if before is None else format(before, ".0f")
        print(f"{name:32}{each:12.0f}{old:>12}{shown:>10}{mark}", flush=True)
    if options:
        KEPT.write_text(json.dumps(found, indent=1) + "\n")
        print(f"\nwritten to {KEPT}")


if __name__ == "__main__":
    main()
