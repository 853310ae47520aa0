"""difftest.py BUILD_DIR [--n N] [--seed S] [--show PROGRAM] [--record FILE]

Random task programs on neap and on asyncio; their logs are compared line by line,
and each difference is shrunk. Python 3.13 or later, whose asyncio is the model.
--record writes programs whose logs are the same, for a test without Python."""

import argparse
import json
import os
import subprocess
import sys
import time

import asyncio_side
import deviations
import programs
import rules

HERE = os.path.dirname(os.path.abspath(__file__))
BATCH = 500


class Neap:
    def __init__(self, build):
        self.command = ["lua5.4", os.path.join(HERE, "neap_side.lua")]
        self.env = dict(os.environ, LUA_CPATH=build + "/?.so")

    def logs(self, batch):
        """Each program's log; of one that ended the process, what it had."""
        logs = []
        while len(logs) < len(batch):
            todo = batch[len(logs):]
            text = "\n".join(map(programs.text, todo)) + "\n"
            try:
                child = subprocess.run(self.command, input=text, env=self.env,
                                       capture_output=True, text=True,
                                       timeout=60 + len(todo))
                out, end = child.stdout, child.returncode
            except subprocess.TimeoutExpired as late:
                out, end = (late.stdout or b"").decode(), "timeout"
            *whole, rest = out.split(".\n")
            logs.extend(log.splitlines() for log in whole)
            if len(logs) < len(batch):
                err = "" if end == "timeout" else child.stderr[-300:]
                logs.append(rest.splitlines() + ["crash: %s %s" % (end, err)])
        return logs


def shrink(neap, program):
    """The smallest program found that differs; tries all cuts at once."""
    while True:
        candidates = list(programs.smaller(program))
        found = None
        for start in range(0, len(candidates), 100):
            part = candidates[start:start + 100]
            for candidate, mine in zip(part, neap.logs(part)):
                if rules.is_difference(rules.judge(candidate, mine)):
                    found = candidate
                    break
            if found:
                break
        if not found:
            return program
        program = found


def show(neap, program):
    mine = neap.logs([program])[0]
    theirs, ended = rules.run(program, set(deviations.RULES))
    print(json.dumps(program))
    width = max([20] + [len(line) for line in theirs])
    print("%-*s | %s" % (width, "asyncio (%s)" % ended, "neap"))
    for i in range(max(len(theirs), len(mine))):
        left = theirs[i] if i < len(theirs) else ""
        right = mine[i] if i < len(mine) else ""
        print("%-*s %s %s" % (width, left, "|" if left == right else "#", right))
    print(rules.judge(program, mine))


def record(neap, options):
    """A program, its log and a dot for each of n that ended by themselves."""
    found = at = 0
    with open(options.record, "w", encoding="ascii") as file:
        while found < options.n:
            made = programs.Generator("%d:%d" % (options.seed, at)).program()
            at += 1
            log, ended = rules.run(made)
            if (ended != "done" or not 12 <= len(log) <= 40
                    or neap.logs([made])[0] != log):
                continue
            found += 1
            file.write("\n".join([programs.text(made)] + log + [".", ""]))


def main():
    options = argparse.ArgumentParser()
    options.add_argument("build")
    options.add_argument("--n", type=int, default=10000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--most", type=int, default=5, help="differences shown")
    options.add_argument("--record", help="a file for programs and logs")
    options.add_argument("--show", help="one program, as JSON")
    options = options.parse_args()
    if not asyncio_side.NEWEST:
        sys.exit("difftest: Python 3.13 or later is needed, not %s"
                 % sys.version.split()[0])
    # What asyncio says of recursion without end, and of coroutines it drops.
    sys.stderr = sys.stdout
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    sys.unraisablehook = lambda _: None
    neap = Neap(options.build)
    if options.show:
        return show(neap, json.loads(options.show))
    if options.record:
        return record(neap, options)
    began = time.time()
    counts = {}
    differences = lines = 0
    for start in range(0, options.n, BATCH):
        batch = [programs.Generator("%d:%d" % (options.seed, i)).program()
                 for i in range(start, min(start + BATCH, options.n))]
        for program, mine in zip(batch, neap.logs(batch)):
            verdict = rules.judge(program, mine)
            lines += len(mine)
            if rules.is_difference(verdict):
                differences += 1
                print("difference %d:" % differences, verdict, flush=True)
                show(neap, shrink(neap, program))
                sys.stdout.flush()
            elif verdict:
                counts[verdict] = counts.get(verdict, 0) + 1
        if differences >= options.most:
            break
    for rule, count in sorted(counts.items()):
        print("%6d  %s" % (count, rule))
    print("%d programs, %d events, seed %d, asyncio of Python %s, %.0f s: "
          "%d differences" % (start + len(batch), lines, options.seed,
                              sys.version.split()[0], time.time() - began,
                              differences))
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
