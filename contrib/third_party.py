#!/usr/bin/env python3
"""The licences of the crates that a program contains, each with its text, on the standard output.

    contrib/third_party.py uproar > THIRD-PARTY

A binary contains its dependencies, and each of their licences asks that its text goes along. What only runs while it is built (build
scripts, procedural macros, tests) is not in it. Fails when a crate brings no text: then somebody has to look.
"""

import json
import pathlib
import subprocess
import sys

TARGET = "x86_64-unknown-linux-gnu"
NAMES = ("licen", "copying", "notice", "unlicense", "copyright")
# Crates whose archive lacks the text of its licence, Apache-2.0, which is the same text for all: a crate that brings it.
ELSEWHERE = {
    "async-nats": "nkeys",
    "perf-event2": "libc",
    "perf-event-open-sys2": "libc",
}


def metadata():
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--features", "uproar/cluster", "--filter-platform", TARGET]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def contained(data, program):
    """The packages whose code is in the program, those of this repository left out."""
    packages = {package["id"]: package for package in data["packages"]}
    nodes = {node["id"]: node for node in data["resolve"]["nodes"]}
    is_macro = lambda id: any("proc-macro" in target["kind"] for target in packages[id]["targets"])
    roots = [id for id in data["workspace_members"] if packages[id]["name"] == program]
    seen, to_see = set(roots), list(roots)
    while to_see:
        for dependency in nodes[to_see.pop()]["deps"]:
            id = dependency["pkg"]
            is_in = any(kind["kind"] is None for kind in dependency["dep_kinds"])
            if is_in and id not in seen and not is_macro(id):
                seen.add(id)
                to_see.append(id)
    found = [packages[id] for id in seen if id not in data["workspace_members"]]
    return sorted(found, key=lambda package: (package["name"], package["version"]))


def texts(package):
    """The names and texts of a package's licence files."""
    folder = pathlib.Path(package["manifest_path"]).parent
    files = {path for path in folder.iterdir() if path.is_file() and path.name.lower().startswith(NAMES)}
    if package["license_file"]:
        files.add(folder / package["license_file"])
    for place in ("LICENSES", "licenses"):
        if (folder / place).is_dir():
            files |= {path for path in (folder / place).iterdir() if path.is_file()}
    return [(path.name, path.read_text(errors="replace").strip()) for path in sorted(files)]


def main():
    program = sys.argv[1]
    data = metadata()
    packages = contained(data, program)
    by_name = {package["name"]: package for package in data["packages"]}
    of_text, missing = {}, []
    print(f"{program} contains these crates, under these licences. Their texts follow.\n")
    for package in packages:
        name = f"{package['name']} {package['version']}"
        place = package["repository"] or package["homepage"] or "https://crates.io"
        print(f"    {name}: {package['license'] or 'see its text'}, {place}")
        found = texts(package)
        if not found and package["name"] in ELSEWHERE:
            found = [(file, text) for file, text in texts(by_name[ELSEWHERE[package["name"]]]) if "Apache License" in text]
        if not found:
            missing.append(name)
        for _, text in found:
            # The same words in lines of other lengths are the same licence.
            of_text.setdefault(" ".join(text.split()), (text, []))[1].append(name)
    print("\nIt contains Rust's standard library too, which is under MIT or Apache-2.0: https://www.rust-lang.org/policies/licenses")
    for text, names in of_text.values():
        print(f"\n{'=' * 100}\n{', '.join(dict.fromkeys(names))}\n{'-' * 100}\n{text}")
    if missing:
        sys.exit(f"no licence text: {', '.join(missing)}")


main()
