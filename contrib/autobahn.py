#!/usr/bin/env python3
"""Runs the conformance cases of Autobahn against a server that sends each message back.

Usage: autobahn.py KOSOKU ECHO. KOSOKU is the runner of the Python registry's package of that name, ECHO a program that prints its
address and then serves. Each case must be passed strictly: a rule that was followed late, or a close that was not clean, fails
like a wrong answer. So does a run with fewer cases than there are. The reports are left below target/autobahn-report/. Needs
Python 3.11.
"""

import json
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
REPORT = ROOT / "target/autobahn-report"

# Framing, pings, reserved bits, opcodes, fragments, UTF-8, closes, and fragments that a library makes. The others measure
# speed, or are about compression, which is never agreed to.
GROUPS = [1, 2, 3, 4, 5, 6, 7, 10]
CASES = 247
# There are cases in which the server is free to do either thing.
PASSED = {"OK", "INFORMATIONAL"}
SECONDS_MAX = 300


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__.strip())
    kosoku, echo = sys.argv[1:]
    shutil.rmtree(REPORT, ignore_errors=True)
    server = subprocess.Popen([echo], stdout=subprocess.PIPE, text=True)
    try:
        address = server.stdout.readline().strip()
        if not address:
            sys.exit(f"{echo} does not serve")
        cases = [option for group in GROUPS for option in ("--include", f"{group}.*")]
        command = [kosoku, "--parallelism", "4", *cases, "--outdir", str(REPORT), address]
        # Its exit code is looked at too, but what counts is what it has written.
        run = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=SECONDS_MAX)
        if server.poll() is not None:
            sys.exit(f"{echo} has ended")
    finally:
        server.kill()
        server.wait()
    (results,) = json.loads((REPORT / "index.json").read_text()).values()
    failed = [
        f"{name}: {result['behavior']}, close {result['behaviorClose']}"
        for name, result in results.items()
        if not {result["behavior"], result["behaviorClose"]} <= PASSED
    ]
    print(f"{len(results)} cases, {len(failed)} not passed")
    print(*failed, sep="\n", end="")
    if failed or len(results) != CASES or run.returncode != 0:
        print(run.stderr[-4000:], file=sys.stderr)
        sys.exit(f"not as it must be: {CASES} cases, all passed, exit code {run.returncode} is 0")


if __name__ == "__main__":
    main()
