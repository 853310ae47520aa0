"""asyncio's own loop on a virtual clock, without sockets.

It differs from asyncio's in what neap promises on purpose: equal deadlines
come in the order of the calls, and what asyncio keeps in a set of tasks is gone
through in the order of their creation.
"""

import asyncio
import heapq


class Stuck(BaseException):
    """Nothing is ready, and nothing will ever be."""


class StableHandle(asyncio.TimerHandle):
    count = 0

    def __lt__(self, other):
        return (self._when, self.number) < (other._when, other.number)


class Task(asyncio.Task):
    """Of a loop that sweeps, which cancels each task once."""

    def cancel(self, msg=None):
        swept = self.get_loop().swept
        if swept is not None and not self.done():
            if self in swept:
                return True
            swept.add(self)
        return super().cancel(msg)


class VirtualLoop(asyncio.BaseEventLoop):
    def __init__(self):
        super().__init__()
        self._selector = self
        self._clock_resolution = 1e-9
        self.now = 0.0
        self.call_directly = False
        self.created = []
        self.set_task_factory(VirtualLoop.make_task)
        self.recursed = False
        self.swept = None
        self.set_exception_handler(VirtualLoop.note_error)

    def note_error(self, context):
        if isinstance(context.get("exception"), RecursionError):
            self.recursed = True

    def time(self):
        return self.now

    def call_soon(self, callback, *args, context=None):
        if not self.call_directly:
            return super().call_soon(callback, *args, context=context)
        self.call_directly = False
        return context.run(callback, *args)

    def call_at(self, when, callback, *args, context=None):
        handle = StableHandle(when, callback, args, self, context)
        StableHandle.count += 1
        handle.number = StableHandle.count
        heapq.heappush(self._scheduled, handle)
        handle._scheduled = True
        return handle

    def make_task(self, coro, **options):
        index = len(self.created)
        self.created.append(None)
        self.created[index] = Task(coro, loop=self, **options)
        return self.created[index]

    def select(self, timeout):
        if timeout is None:
            raise Stuck
        if timeout > 0:
            self.now = self._scheduled[0]._when
        return ()

    def _process_events(self, events):
        pass

    def _write_to_self(self):
        pass


class OrderedSet(dict):
    """What a TaskGroup needs of a set."""

    def add(self, item):
        self[item] = True

    def discard(self, item):
        self.pop(item, None)


class TaskGroup(asyncio.TaskGroup):
    def __init__(self):
        super().__init__()
        self._tasks = OrderedSet()


def run(make_main, at_end, once=False):
    """As asyncio.run. at_end gets how it ended, before the loop is closed:
    "done"; "left" (with tasks made during the cleanup, which it drops); "stuck"
    (the main task waits for ever), "hang" (the others do); "recursion"."""
    loop = VirtualLoop()
    asyncio.set_event_loop(None)
    ended = "stuck"
    try:
        main = loop.create_task(make_main(loop))
        try:
            loop.run_until_complete(main)
        except (Exception, asyncio.CancelledError):
            pass
        ended = "hang"
        left = [task for task in loop.created if is_pending(task)]
        loop.swept = set() if once else None
        for task in left:
            task.cancel()
        loop.swept = None
        if left:
            loop.run_until_complete(
                asyncio.gather(*left, return_exceptions=True))
        ended = "left" if any(map(is_pending, loop.created)) else "done"
    except Stuck:
        pass
    except RecursionError:  # a cancellation that goes round in a ring
        ended = "recursion"
    finally:
        at_end("recursion" if loop.recursed else ended)
        forget(loop)


def is_pending(task):
    return task is not None and not task.done()  # None: it could not be made


def forget(loop):
    """What is left is not to be heard of again."""
    for task in list(loop.created):
        if is_pending(task):
            task._log_destroy_pending = False
            coro = task.get_coro()
            try:
                coro.close()
            except (RuntimeError, BaseException):
                pass
    loop._ready.clear()
    loop._scheduled.clear()
    loop.close()
