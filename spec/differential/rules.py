"""Compares the two logs of a program."""

import re

import asyncio_side
import deviations
import programs

CANCELLED = re.compile(r"CE\((\w*)\)")


def same_line(theirs, mine):
    """C23: asyncio forgets a cancellation's message after the first awaiter."""
    if theirs == mine:
        return True
    if CANCELLED.sub("CE", theirs) != CANCELLED.sub("CE", mine):
        return False
    return all(a in ("", b) for a, b in zip(CANCELLED.findall(theirs),
                                            CANCELLED.findall(mine)))


def first_difference(theirs, mine):
    for i in range(max(len(theirs), len(mine))):
        left = theirs[i] if i < len(theirs) else "(end)"
        right = mine[i] if i < len(mine) else "(end)"
        if not same_line(left, right):
            return i, left, right
    return None


def judge_one(theirs, ended, mine):
    """None, or the name of a rule, or the first difference as text."""
    found = first_difference(theirs, mine)
    if found is None:
        return None if ended != "stuck" else "neap does not see the deadlock"
    at, left, right = found
    if any("CYCLE" in line for line in mine[at:at + 2]):  # it leaves a group first
        return "RULE B08: an await that would close a cycle raises"
    if ended == "recursion" or any("RECURSION" in line for line in theirs):
        return "RULE B08: asyncio cancels a ring of awaiters without end"
    if at == len(theirs) and ended in AT_END:
        return AT_END[ended]
    return "asyncio: %s; neap: %s" % (left, right)


AT_END = {
    "stuck": "RULE deadlock: a main task that nothing can wake is told",
    "hang": "RULE hang: a run ends although tasks ignore their cancellation",
    "left": "RULE R1: tasks made during the last cleanup are waited for",
}


def is_difference(verdict):
    return verdict is not None and not verdict.startswith("RULE")


TRIES = 8  # the order of asyncio's sets is not the same each time


def try_rules(program, rules, mine):
    """The verdict with these deviations, and asyncio's log and end."""
    for _ in range(TRIES):
        theirs, ended = run(program, rules)
        verdict = judge_one(theirs, ended, mine)
        if not is_difference(verdict):
            break
    return verdict, theirs, ended


def judge(program, mine):
    """As judge_one; tries the deviations if asyncio alone differs."""
    wrong = [line for line in mine if "BUG" in line or "crash" in line]
    if wrong:
        return "neap: " + wrong[0]
    verdict, _, _ = try_rules(program, (), mine)
    if not is_difference(verdict):
        return verdict
    everything, log, ended = try_rules(program, deviations.RULES, mine)
    if is_difference(everything):
        return judge_messages(program, log, ended, mine) or everything
    for rule, reason in deviations.RULES.items():
        verdict, _, _ = try_rules(program, {rule}, mine)
        if not is_difference(verdict):
            return "RULE %s: %s" % (rule, reason)
    return "RULE: several together"


def judge_messages(program, theirs, ended, mine):
    gathers = any(statement[0].startswith("gather")
                  for block in programs.blocks(program) for statement in block)
    plain = [[CANCELLED.sub("CE", line) for line in log] for log in (theirs, mine)]
    if gathers and not is_difference(judge_one(plain[0], ended, plain[1])):
        return ("RULE F04: a cancelled gather has the message of its own request, "
                "not that of the child that ended last")
    return None


def run(program, rules=frozenset()):
    return asyncio_side.Program(program, frozenset(rules)).run()
