"""Random task programs, as nested lists, and how to make them smaller.

A program is [limits, main, body, body, ...]. Main and bodies are lists of
statements; a statement is [name, argument...]; blocks are lists of statements
again. A body only makes tasks of bodies behind it, so every program ends.
Names: t0 to t3 are the tasks made last under that name, f0 and f1 futures,
e0 and e1 events, l0 and l1 locks, s0 a semaphore, s1 a bounded one, c0 a
condition, q0 a queue, q1 a queue of another kind, b0 a barrier, h0 a handle.

limits: [s0, s1, b0, size of q0, size of q1, kind of q1]
"""

import random

TASKS = ["t0", "t1", "t2", "t3"]
FUTURES = ["f0", "f1"]
KINDS = ["any", "cancelled", "error", "timeout"]
RETURN_WHEN = ["ALL_COMPLETED", "FIRST_COMPLETED", "FIRST_EXCEPTION"]


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.bodies = 0

    def program(self):
        r = self.random
        self.bodies = r.randint(1, 4)
        limits = [r.randint(0, 2), r.randint(1, 2), r.randint(1, 3),
                  r.randint(0, 2), r.randint(0, 2), r.choice(["lifo", "priority"])]
        focus = r.sample(sorted(MAKERS), r.randint(3, 9))
        self.weights = [(name, 4 if name in focus else weight)
                        for name, (weight, _) in MAKERS.items()]
        return [limits] + [self.block(index, 3, r.randint(2, 7))
                           for index in range(self.bodies + 1)]

    def block(self, body, depth, size):
        return [self.statement(body, depth) for _ in range(size)]

    def small(self, body, depth):
        return self.block(body, depth - 1, self.random.randint(1, 3))

    def statement(self, body, depth):
        r = self.random
        if body < self.bodies and r.random() < (0.35 if body == 0 else 0.12):
            return self.creation(body)
        while True:
            names, weights = zip(*self.weights)
            name = r.choices(names, weights)[0]
            if depth <= 0 and name in BLOCKS:
                continue
            made = MAKERS[name][1](self, body, depth)
            if made is not None:
                return [name] + made

    def creation(self, body):
        r = self.random
        name = r.choices(["create", "group_create", "eager"], [8, 2, 1])[0]
        return [name, r.choice(TASKS), self.later(body)]

    def later(self, body):
        return self.random.randint(body + 1, self.bodies)

    def task(self):
        return self.random.choice(TASKS)

    def future(self):
        return self.random.choice(FUTURES)

    def awaitable(self):
        return self.random.choice(TASKS + TASKS + FUTURES)

    def several(self):
        names = TASKS + FUTURES  # each once: of two, asyncio cancels one twice
        return self.random.sample(names, self.random.randint(1, 3))

    def delay(self):
        return self.random.choice([0, 0, 0, 1, 1, 2, 3])

    def timeout(self):
        return self.random.choice([-1, 0, 1, 1, 2, 3])

    def message(self):
        return self.random.choice(["", "", "m", "n"])

    def value(self):
        return self.random.randint(1, 9)

    def action(self):
        """A statement that does not wait, for a callback."""
        r = self.random
        name = r.choice(["set_result", "set_exception", "cancel", "set", "clear",
                         "put_nowait", "get_nowait", "release", "cancel_future"])
        return [name] + MAKERS[name][1](self, 0, 0)


def one(*choices):
    return lambda g, body, depth: [g.random.choice(choices)]


MAKERS = {
    "sleep": (8, lambda g, b, d: [g.delay()]),
    "cancel": (5, lambda g, b, d: [g.task(), g.message()]),
    "cancel_self": (1, lambda g, b, d: [g.message()]),
    "cancelling": (1, lambda g, b, d: [g.task()]),
    "uncancel": (1, lambda g, b, d: [g.task()]),
    "await": (4, lambda g, b, d: [g.awaitable()]),
    "result": (1, lambda g, b, d: [g.awaitable()]),
    "exception": (1, lambda g, b, d: [g.awaitable()]),
    "shield": (2, lambda g, b, d: [g.awaitable()]),
    "wait_for": (3, lambda g, b, d: [g.awaitable(), g.timeout()]),
    "wait_for_shield": (1, lambda g, b, d: [g.awaitable(), g.timeout()]),
    "wait_for_body": (2, lambda g, b, d: [g.later(b), g.timeout()]
                      if b < g.bodies else None),
    "gather": (3, lambda g, b, d: [g.several(), g.random.random() < 0.4]),
    "gather_bodies": (1, lambda g, b, d: [g.later(b), g.later(b)]
                      if b < g.bodies else None),
    "wait": (2, lambda g, b, d: [g.several(), g.random.choice([-1, -1, 0, 1, 2]),
                                 g.random.choice(RETURN_WHEN)]),
    "as_completed": (1, lambda g, b, d: [g.several(),
                                         g.random.choice([-1, -1, 0, 1, 2])]),
    "done_callback": (1, lambda g, b, d: [g.awaitable(), g.value()]),
    "raise": (1, lambda g, b, d: [g.value()]),
    "raise_cancelled": (0.3, lambda g, b, d: []),
    "return": (1, lambda g, b, d: [g.value()]),
    "group": (2, lambda g, b, d: [g.small(b, d)]),
    "timeout": (2, lambda g, b, d: [g.timeout(), g.small(b, d)]),
    "reschedule": (1, lambda g, b, d: [g.timeout()]),
    "try": (4, lambda g, b, d: [g.random.choice(KINDS), g.small(b, d),
                                g.small(b, d), g.random.random() < 0.4]),
    "finally": (3, lambda g, b, d: [g.small(b, d), g.small(b, d)]),
    "with_lock": (2, lambda g, b, d: [g.random.choice(["l0", "l1"]), g.small(b, d)]),
    "acquire": (1, one("l0", "l1", "s0", "s1")),
    "release": (1, one("l0", "l1", "s0", "s1")),
    "locked": (1, one("l0", "l1", "s0", "s1")),
    "with_semaphore": (2, lambda g, b, d: [g.random.choice(["s0", "s1"]),
                                           g.small(b, d)]),
    "with_condition": (2, lambda g, b, d: [g.small(b, d)]),
    "condition_wait": (2, lambda g, b, d: []),
    "notify": (2, lambda g, b, d: [g.random.randint(1, 2)]),
    "event_wait": (2, one("e0", "e1")),
    "set": (2, one("e0", "e1")),
    "clear": (1, one("e0", "e1")),
    "put": (2, lambda g, b, d: [g.random.choice(["q0", "q1"]), g.value()]),
    "get": (2, one("q0", "q1")),
    "put_nowait": (1, lambda g, b, d: [g.random.choice(["q0", "q1"]), g.value()]),
    "get_nowait": (1, one("q0", "q1")),
    "task_done": (1, one("q0", "q1")),
    "join": (0.6, one("q0", "q1")),
    "shutdown": (0.5, lambda g, b, d: [g.random.choice(["q0", "q1"]),
                                       g.random.random() < 0.4]),
    "barrier_wait": (1, lambda g, b, d: []),
    "barrier_reset": (0.3, lambda g, b, d: []),
    "barrier_abort": (0.2, lambda g, b, d: []),
    "set_result": (2, lambda g, b, d: [g.future(), g.value()]),
    "set_exception": (1, lambda g, b, d: [g.future(), g.value()]),
    "cancel_future": (1, lambda g, b, d: [g.future(), g.message()]),
    "new_future": (1, lambda g, b, d: [g.future()]),
    "call_soon": (1, lambda g, b, d: [g.action()]),
    "call_later": (2, lambda g, b, d: [g.delay(), g.action()]),
    "cancel_handle": (0.5, lambda g, b, d: []),
}

# name: where its blocks are
BLOCKS = {
    "group": [1], "timeout": [2], "try": [2, 3], "finally": [1, 2],
    "with_lock": [2], "with_semaphore": [2], "with_condition": [1],
}


# Statements that name a body: only one behind their own, or programs never end.
CALLS = {"create", "eager", "group_create", "wait_for_body", "gather_bodies"}


def blocks(program):
    """Every block of a program, outer ones first."""
    todo = list(program[1:])
    while todo:
        block = todo.pop(0)
        yield block
        for statement in block:
            todo.extend(statement[i] for i in BLOCKS.get(statement[0], ()))


def copy(value):
    return [copy(v) for v in value] if isinstance(value, list) else value


def smaller(program):
    """Programs with one thing less, the greatest cuts first."""
    count = len(list(blocks(program)))
    for index in range(count):
        if len(list(blocks(program))[index]) > 1:
            new = copy(program)
            block = list(blocks(new))[index]
            del block[len(block) // 2:]
            yield new
    for index in range(count):
        size = len(list(blocks(program))[index])
        for at in range(size):
            new = copy(program)
            del list(blocks(new))[index][at]
            yield new
    for index in range(count):
        for at, statement in enumerate(list(blocks(program))[index]):
            for where in BLOCKS.get(statement[0], ()):
                new = copy(program)
                block = list(blocks(new))[index]
                block[at:at + 1] = block[at][where]
                yield new
    for index in range(count):
        for at, statement in enumerate(list(blocks(program))[index]):
            for where, argument in enumerate(statement):
                if statement[0] in CALLS or isinstance(argument, bool):
                    continue
                if where > 0 and isinstance(argument, int) and argument > 0:
                    new = copy(program)
                    list(blocks(new))[index][at][where] = argument - 1
                    yield new


def text(program):
    """As a Lua table constructor."""
    def literal(value):
        if isinstance(value, list):
            return "{" + ",".join(map(literal, value)) + "}"
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, str):
            return '"' + value + '"'
        return str(value)
    return literal(program)
