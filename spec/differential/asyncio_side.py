"""Runs task programs (programs.py) on CPython's asyncio. The log has a line for
each event: the time, who (a task's number, or "loop"), what."""

import asyncio
import sys

import deviations
import virtual_loop
from virtual_loop import TaskGroup

NEWEST = sys.version_info >= (3, 13)
MOST_LINES = 3000


class ProgramError(Exception):
    pass


SHUT_DOWN = getattr(asyncio, "QueueShutDown", ())

NAMES = [
    (asyncio.TimeoutError, "TE"), (asyncio.InvalidStateError, "ISE"),
    (asyncio.QueueEmpty, "QE"), (asyncio.QueueFull, "QF"), (SHUT_DOWN, "QS"),
    (asyncio.BrokenBarrierError, "BB"),
    ((RuntimeError, ValueError, TypeError), "ARG"),
]


def describe(value):
    if isinstance(value, list):
        return "[" + ",".join(map(describe, value)) + "]"
    if not isinstance(value, BaseException):
        return str(value)
    if isinstance(value, asyncio.CancelledError):
        return "CE(%s)" % ((value.args or ("",))[0] or "")
    if isinstance(value, BaseExceptionGroup):
        return "EG" + describe(list(value.exceptions))
    if isinstance(value, ProgramError):
        return "E%s" % value.args[0]
    if isinstance(value, RecursionError):
        return "RECURSION"
    for classes, name in NAMES:
        if isinstance(value, classes):
            return name
    return "BUG " + repr(value)


def matches(kind, error):
    cancelled = isinstance(error, asyncio.CancelledError)
    return {"any": True, "cancelled": cancelled, "error": not cancelled,
            "timeout": isinstance(error, asyncio.TimeoutError)}[kind]


class TooLong(BaseException):
    pass


class Program:
    """rules: which of the deviations (deviations.py) to run with."""

    def __init__(self, program, rules=frozenset()):
        self.rules = rules
        self.limits, *self.bodies = program
        self.log = []
        self.ended = None
        self.count = 0
        self.scopes = {}
        self.group = None
        self.handle = None

    def run(self):
        virtual_loop.run(self.start, self.end, "once" in self.rules)
        return self.log, self.ended

    def start(self, loop):
        self.loop = loop
        s0, s1, b0, q0, q1, kind = self.limits
        kinds = {"lifo": asyncio.LifoQueue, "priority": asyncio.PriorityQueue}
        self.at = {"l0": self.lock(), "l1": self.lock(),
                   "e0": asyncio.Event(), "e1": asyncio.Event(),
                   "s0": asyncio.Semaphore(s0), "s1": asyncio.BoundedSemaphore(s1),
                   "b0": self.barrier(b0), "c0": self.condition(),
                   "q0": asyncio.Queue(q0), "q1": kinds[kind](q1),
                   "f0": loop.create_future(), "f1": loop.create_future()}
        return self.body(0, 0)

    def barrier(self, parties):
        made_by = deviations.Barrier if "barrier" in self.rules else asyncio.Barrier
        return made_by(parties)

    def condition(self):
        made_by = (deviations.Condition if "condition" in self.rules
                   else asyncio.Condition)
        return made_by(self.lock())

    def lock(self):
        return deviations.Lock() if "lock" in self.rules else asyncio.Lock()

    async def wait_for(self, awaitable, timeout):
        if awaitable is asyncio.current_task() and "B07" in self.rules:
            raise RuntimeError
        if "D08" in self.rules and timeout <= 0 and asyncio.iscoroutine(awaitable):
            awaitable.close()
            raise TimeoutError
        if "D05" in self.rules and timeout <= 0:
            return await deviations.wait_for(self.loop, awaitable)
        if timeout > 0 and self.rules & {"D15", "X01"}:
            return await deviations.wait_in_time(self, awaitable, timeout)
        return await asyncio.wait_for(awaitable, timeout)

    def timeout(self, when):
        made_by = deviations.Timeout if "X01" in self.rules else asyncio.Timeout
        return made_by(when)

    def end(self, ended):
        self.ended = ended

    def note(self, who, *words):
        if self.ended is None:
            if len(self.log) > MOST_LINES:
                raise TooLong
            text = " ".join(str(w) if not isinstance(w, bool) else str(w).lower()
                            for w in words)
            self.log.append("%g %s %s" % (self.loop.time(), who, text))

    def number(self):
        self.count += 1
        return self.count

    async def body(self, index, me):
        self.note(me, "begins")
        try:
            result = await self.block(me, self.bodies[index])
        except BaseException as error:
            self.note(me, "ends", describe(error))
            raise
        value = 0 if result is None else result
        self.note(me, "ends", value)
        return value

    async def block(self, me, block):
        for statement in block:
            result = await getattr(self, "do_" + statement[0])(me, *statement[1:])
            if result is not None:
                return result
        return None

    # ---- tasks ----

    def new_task(self, me, name, index, make):
        number = self.number()
        coro = self.body(index, number)
        try:
            self.at[name] = make(coro)
        except RuntimeError:
            coro.close()
            raise
        self.note(me, "made", number)

    async def do_create(self, me, name, index):
        self.new_task(me, name, index, self.loop.create_task)

    async def do_eager(self, me, name, index):
        self.new_task(me, name, index,
                      lambda coro: self.loop.make_task(coro, eager_start=True))

    async def do_group_create(self, me, name, index):
        if self.group is not None:
            self.new_task(me, name, index, self.group.create_task)

    async def do_cancel(self, me, name, message):
        task = self.at.get(name)
        if task is not None:
            made = task.cancel(message or None)
            self.note(me, "cancel", made, task.done(), task.cancelled())

    async def do_cancel_future(self, me, name, message):
        await self.do_cancel(me, name, message)

    async def do_cancel_self(self, me, message):
        self.note(me, "cancel", asyncio.current_task().cancel(message or None))

    async def do_cancelling(self, me, name):
        if name in self.at:
            self.note(me, "cancelling", self.at[name].cancelling())

    async def do_uncancel(self, me, name):
        if name in self.at:
            self.note(me, "uncancel", self.at[name].uncancel())

    async def do_await(self, me, name):
        if name in self.at:
            if "B07" in self.rules and self.at[name] is asyncio.current_task():
                raise RuntimeError
            self.note(me, "awaited", await self.at[name])

    async def do_result(self, me, name):
        if name in self.at:
            self.note(me, "result", self.at[name].result())

    async def do_exception(self, me, name):
        if name in self.at:
            error = self.at[name].exception()
            self.note(me, "exception", "nil" if error is None else describe(error))

    async def do_done_callback(self, me, name, tag):
        def called(future):
            state = "finished"
            if future.cancelled():
                state = "cancelled"
            elif future.exception() is not None:
                state = "failed"
            self.note("loop", "called", tag, state)

        if name in self.at:
            self.at[name].add_done_callback(called)

    # ---- waiting ----

    async def do_sleep(self, me, delay):
        self.note(me, "slept", await asyncio.sleep(delay, delay))

    async def do_shield(self, me, name):
        if name in self.at:
            self.note(me, "shielded", await asyncio.shield(self.at[name]))

    async def do_wait_for(self, me, name, timeout):
        if name in self.at:
            self.note(me, "in time", await self.wait_for(self.at[name], timeout))

    async def do_wait_for_shield(self, me, name, timeout):
        if name in self.at:
            result = await self.wait_for(asyncio.shield(self.at[name]), timeout)
            self.note(me, "in time", result)

    async def do_wait_for_body(self, me, index, timeout):
        self.note(me, "in time", await self.wait_for(self.body(index, me), timeout))

    async def do_gather(self, me, names, errors):
        found = [self.at[name] for name in names if name in self.at]
        if found:
            results = await asyncio.gather(*found, return_exceptions=errors)
            self.note(me, "gathered", describe(results))

    async def do_gather_bodies(self, me, first, second):
        results = await asyncio.gather(self.body(first, self.number()),
                                       self.body(second, self.number()))
        self.note(me, "gathered", describe(results))

    def found(self, names):
        return [(name, self.at[name]) for name in dict.fromkeys(names)
                if name in self.at]

    async def do_wait(self, me, names, timeout, return_when):
        pairs = self.found(names)
        if pairs:
            done, _ = await asyncio.wait(
                dict.fromkeys(future for _, future in pairs),
                timeout=None if timeout < 0 else timeout,
                return_when=return_when)
            self.note(me, "done", *[n for n, future in pairs if future in done])

    async def do_as_completed(self, me, names, timeout):
        pairs = self.found(names)
        if not pairs:
            return
        futures = list(dict.fromkeys(future for _, future in pairs))
        already = sum(future.done() for future in futures)
        ends = []
        for coming in asyncio.as_completed(
                futures, timeout=None if timeout < 0 else timeout):
            try:
                ends.append(describe(await coming))
            except ProgramError as error:
                ends.append(describe(error))
            if len(ends) >= already:
                self.note(me, "completed", *sorted(ends))
        # Those that were done come from a set.

    # ---- errors ----

    async def do_raise(self, me, number):
        raise ProgramError(number)

    async def do_raise_cancelled(self, me):
        raise asyncio.CancelledError

    async def do_return(self, me, value):
        return value

    async def do_try(self, me, kind, block, handler, again):
        try:
            return await self.block(me, block)
        except (Exception, asyncio.CancelledError) as error:
            if not matches(kind, error):
                raise
            self.note(me, "caught", describe(error))
            result = await self.block(me, handler)
            if again and result is None:
                raise
            return result

    async def do_finally(self, me, block, cleanup):
        try:
            return await self.block(me, block)
        finally:
            self.note(me, "cleans up")
            await self.block(me, cleanup)
            self.note(me, "cleaned up")

    # ---- structure ----

    async def do_group(self, me, block):
        try:
            async with TaskGroup() as group:
                self.group = group
                result = await self.block(me, block)
        finally:
            self.note(me, "group left")
        return result

    async def do_timeout(self, me, delay, block):
        scope = self.timeout(self.loop.time() + delay)
        stack = self.scopes.setdefault(me, [])
        try:
            async with scope:
                stack.append(scope)
                try:
                    return await self.block(me, block)
                finally:
                    stack.pop()
        finally:
            self.note(me, "expired", scope.expired())

    async def do_reschedule(self, me, delay):
        if self.scopes.get(me):
            self.scopes[me][-1].reschedule(self.loop.time() + delay)

    # ---- synchronisation ----

    async def do_with_lock(self, me, name, block):
        made_by = deviations.Guard if "guard" in self.rules else (lambda lock: lock)
        async with made_by(self.at[name]):
            self.note(me, "holds", name)
            result = await self.block(me, block)
        self.note(me, "released", name)
        return result

    do_with_semaphore = do_with_lock

    async def do_with_condition(self, me, block):
        return await self.do_with_lock(me, "c0", block)

    async def do_acquire(self, me, name):
        await self.at[name].acquire()
        deviations.note_acquired(self.at[name])
        self.note(me, "holds", name)

    async def do_release(self, me, name):
        self.at[name].release()
        self.note(me, "released", name)

    async def do_locked(self, me, name):
        self.note(me, "locked", self.at[name].locked())

    async def do_condition_wait(self, me):
        hold = getattr(self.at["c0"], "hold", 0)
        try:
            await self.at["c0"].wait()
        finally:
            self.at["c0"].hold = hold
        self.note(me, "notified")

    async def do_notify(self, me, count):
        self.at["c0"].notify(count)
        self.note(me, "notifies")

    async def do_event_wait(self, me, name):
        await self.at[name].wait()
        self.note(me, "saw", name)

    async def do_set(self, me, name):
        self.at[name].set()

    async def do_clear(self, me, name):
        self.at[name].clear()

    async def do_put(self, me, name, item):
        await self.at[name].put(item)
        self.note(me, "put", self.at[name].qsize())

    async def do_get(self, me, name):
        self.note(me, "got", await self.at[name].get())

    async def do_put_nowait(self, me, name, item):
        self.at[name].put_nowait(item)
        self.note(me, "put", self.at[name].qsize())

    async def do_get_nowait(self, me, name):
        self.note(me, "got", self.at[name].get_nowait())

    async def do_task_done(self, me, name):
        self.at[name].task_done()

    async def do_join(self, me, name):
        await self.at[name].join()
        self.note(me, "joined")

    async def do_shutdown(self, me, name, immediate):
        self.at[name].shutdown(immediate)

    async def do_barrier_wait(self, me):
        self.note(me, "passed", await self.at["b0"].wait())

    async def do_barrier_reset(self, me):
        await self.at["b0"].reset()

    async def do_barrier_abort(self, me):
        await self.at["b0"].abort()

    # ---- futures and callbacks ----

    async def do_set_result(self, me, name, value):
        self.at[name].set_result(value)

    async def do_set_exception(self, me, name, number):
        self.at[name].set_exception(ProgramError(number))

    async def do_new_future(self, me, name):
        self.at[name] = self.loop.create_future()

    def call(self, action):
        """A statement that never waits, from the loop."""
        coro = getattr(self, "do_" + action[0])("loop", *action[1:])
        try:
            coro.send(None)
        except StopIteration:
            pass
        except Exception as error:
            self.note("loop", "raised", describe(error))

    async def do_call_soon(self, me, action):
        self.handle = self.loop.call_soon(self.call, action)

    async def do_call_later(self, me, delay, action):
        self.handle = self.loop.call_later(delay, self.call, action)

    async def do_cancel_handle(self, me):
        if self.handle is not None:
            self.handle.cancel()
