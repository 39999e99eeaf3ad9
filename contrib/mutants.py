#!/usr/bin/env python3
"""Breaks a copy of the tree, one mutant after the other, and demands that the simulated kernel or a test notices.

Usage: mutants.py [--seeds N] [NAME...], without names for all of them. The mutants stand in tests/mutants/. The copy and what
is built of it lie below target/mutants/, so the working tree is only read. The unchanged copy comes first and must pass. Then
each mutant is put into the copy, built, and played from seed 0 on until a seed fails, at most N (500). One that names a test
in `caught_by` has that test run instead. A run that takes far more processor time than the unchanged copy has a loop that
does not end: that is noticed too. The exit code is 1 when a mutant was not caught, does not compile or is not in the code.
Needs Python 3.11.
"""

import argparse
import contextlib
import fcntl
import os
import pathlib
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import time
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDER = ROOT / "target/mutants"
TREE = FOLDER / "tree"
BUILD = FOLDER / "build"

# Most seeds, of which one has to fail.
SEEDS = 500
# A mutant may take this many times the processor time of the unchanged copy, and at least this many seconds.
TIMES_MAX = 5
SECONDS_MIN = 20
# The unchanged copy may take this long.
SECONDS_MAX = 3600
# A test that waits for a socket takes no processor time.
TEST_SECONDS_MAX = 300
# A mutant that takes ever more memory must not take it from the machine.
MEMORY_MAX = 4 << 30

# Each mutant is built once and played for seconds, so little is optimised: this package, and of the others what is called for
# each byte.
PROFILE = {"debug": "false", "incremental": "true", "opt-level": "1", "package.'*'.opt-level": "0"}
PROFILE |= {f"package.{name}.opt-level": "1" for name in ("memchr", "unicode-general-category")}
CONFIG = [f"--config=profile.dev.{key}={value}" for key, value in PROFILE.items()]


class Wrong(Exception):
    """A mutant or the copy is not as it must be: nothing is said about the tests."""


def mutants():
    files = sorted((ROOT / "tests/mutants").glob("*.toml"))
    return [mutant for file in files for mutant in tomllib.loads(file.read_text())["mutant"]]


def copy_tree():
    """Makes the copy equal to the working tree. A file that is equal already is not written: cargo would build it again."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    names = {name for name in names if name and not name.startswith("results/") and (ROOT / name).is_file()}
    for name in names:
        source, copy = ROOT / name, TREE / name
        if not copy.is_file() or copy.read_bytes() != source.read_bytes():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
    for copy in TREE.rglob("*"):
        if copy.is_file() and str(copy.relative_to(TREE)) not in names:
            copy.unlink()


def cargo(*arguments):
    return ["cargo", *arguments, *CONFIG, "--locked", "--target-dir", str(BUILD)]


def build(caught_by):
    # A compiler that was killed leaves objects which the next one would take for its own.
    unfinished = FOLDER / "unfinished"
    if unfinished.exists():
        subprocess.run(cargo("clean", "--quiet", "--package", "uproar"), cwd=TREE, check=True)
    unfinished.touch()
    what = [*shlex.split(caught_by), "--no-run"] if caught_by else ["build", "--features", "sim", "--example", "sim"]
    with running(cargo(*what, "--quiet"), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        messages = process.communicate()[1]
        unfinished.unlink()
        if process.returncode != 0:
            raise Wrong(f"does not compile\n{messages}")


@contextlib.contextmanager
def running(command, **options):
    """A process in the copy. It and its children are gone afterwards: a compiler that is left would write into the next
    build."""
    with subprocess.Popen(command, cwd=TREE, text=True, errors="replace", start_new_session=True, **options) as process:
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def bounded(command, seconds):
    """A process that takes at most so many seconds of processor time, and whose output is read."""

    def bound():
        # SIGXCPU, and SIGKILL if that does not end it.
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX, MEMORY_MAX))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    return running(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, preexec_fn=bound)


def play_seeds(seeds, seconds):
    """What is wrong, or None."""
    with bounded([BUILD / "debug/examples/sim", "run", str(seeds), "--threads", "1"], seconds) as process:
        for line in process.stdout:
            if line.startswith("seed "):
                seed, _, verdict = line.removeprefix("seed ").strip().partition(" failed: ")
                return f"seed {seed}: {verdict}"
        code = process.wait()
    if code == -signal.SIGXCPU:
        return f"a loop that does not end: stopped after {seconds} s of processor time"
    if code < 0:
        return f"the simulation's end by {signal.Signals(-code).name}"
    if code > 0:
        raise Wrong(f"the simulation ended with {code} and named no seed")
    return None


def run_test(caught_by, seconds):
    """What is wrong, or None. A test that does not exist is an error, for it passes whatever is broken."""
    with bounded(cargo(*shlex.split(caught_by)), seconds) as process:
        try:
            lines = process.communicate(timeout=TEST_SECONDS_MAX)[0].splitlines()
        except subprocess.TimeoutExpired:
            return f"{caught_by}: still waiting after {TEST_SECONDS_MAX} s"
    failed = [line for line in lines if line.startswith("test ") and line.endswith("FAILED")]
    if process.returncode != 0:
        return failed[0].removesuffix(" ... FAILED") if failed else f"{caught_by}: no test came to its end"
    if not any(line.startswith("test ") and line.endswith(" ok") for line in lines):
        raise Wrong(f"{caught_by} runs no test")
    return None


def verdict_on(mutant, seeds, seconds):
    """What notices the mutant, or None."""
    file, text = TREE / mutant["file"], mutant["text"]
    before = file.read_text()
    if before.count(text) != 1:
        raise Wrong(f"its text stands in {mutant['file']} {before.count(text)} times, not once")
    caught_by = mutant.get("caught_by")
    try:
        file.write_text(before.replace(text, mutant["instead"]))
        build(caught_by)
        return run_test(caught_by, seconds) if caught_by else play_seeds(seeds, seconds)
    finally:
        file.write_text(before)


def play_unchanged(tests, seeds):
    """Returns how many seconds of processor time a mutant may take at most, by what it is caught by."""
    start, seconds = time.monotonic(), {}
    for caught_by in tests:
        build(caught_by)
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        wrong = run_test(caught_by, SECONDS_MAX) if caught_by else play_seeds(seeds, SECONDS_MAX)
        used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
        if wrong:
            raise Wrong(f"without any mutant {wrong}")
        seconds[caught_by] = max(int(TIMES_MAX * used), SECONDS_MIN)
    print(f"the unchanged copy passes ({time.monotonic() - start:.1f} s)", flush=True)
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("names", nargs="*", metavar="NAME")
    options = parser.parse_args()
    chosen = [mutant for mutant in mutants() if not options.names or mutant["name"] in options.names]
    unknown = set(options.names) - {mutant["name"] for mutant in chosen}
    if unknown:
        sys.exit(f"no mutant in tests/mutants/ is called {', '.join(sorted(unknown))}")
    TREE.mkdir(parents=True, exist_ok=True)
    lock = open(FOLDER / "lock", "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"another run is at work in {FOLDER}")
    copy_tree()
    try:
        seconds = play_unchanged({mutant.get("caught_by") for mutant in chosen}, options.seeds)
    except Wrong as wrong:
        sys.exit(f"the unchanged copy: {wrong}")
    missed = []
    for mutant in chosen:
        start = time.monotonic()
        try:
            found = verdict_on(mutant, options.seeds, seconds[mutant.get("caught_by")])
            told = f"caught by {found}" if found else "NOT CAUGHT"
        except Wrong as wrong:
            found, told = None, f"ERROR: {wrong}"
        print(f"{mutant['name']}: {told} ({time.monotonic() - start:.1f} s)", flush=True)
        if not found:
            missed.append(mutant["name"])
    print(f"{len(chosen)} mutants, {len(chosen) - len(missed)} caught{', not ' if missed else ''}{', '.join(missed)}")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    # A run that is told to stop ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
