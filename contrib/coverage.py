#!/usr/bin/env python3
"""Prints the share of lines covered in some files of a summary of cargo-llvm-cov, and fails when one is below a bound.

Usage: coverage.py SUMMARY.json PERCENT PATH..., where a path that ends with a slash stands for all files below it.
"""

import json
import os
import sys


def main():
    summary, least, *wanted = sys.argv[1:]
    with open(summary) as file:
        files = json.load(file)["data"][0]["files"]
    low = False
    for entry in sorted(files, key=lambda entry: entry["filename"]):
        name = os.path.relpath(entry["filename"])
        if not any(name == path or (path.endswith("/") and name.startswith(path)) for path in wanted):
            continue
        lines = entry["summary"]["lines"]
        below = lines["percent"] < float(least)
        low |= below
        print(f"{lines['percent']:6.2f} %  {lines['covered']:5} of {lines['count']:5}  {name}{'  BELOW' if below else ''}")
    sys.exit(1 if low else 0)


if __name__ == "__main__":
    main()
