"""Where neap differs from asyncio on purpose, and why: each class is a variation
of the asyncio side. A difference that is gone with it belongs to its class."""

import asyncio

RULES = {
    "B07": "a task that awaits itself is told at once, not a pass later",
    "D05": "wait_for without time goes on when the cancelled one has ended, "
           "without asyncio's further pass",
    "D08": "a function that wait_for has no time for takes no pass",
    "D15": "what ended in the very tick of its wait_for's timeout is not lost",
    "guard": "the end of a block gives back what its own acquire took; "
             "what was released by hand meanwhile is not released again",
    "condition": "a cancelled wait passes on a notification it got; asyncio "
                 "wakes somebody for nothing otherwise",
    "once": "the end of a run cancels each task once, not once more for each that "
            "awaits it",
    "lock": "who is cancelled in the queue for a lock leaves it at once, so that a "
            "release reaches the next without waiting for his turn",
    "X01": "a cancellation that waits when a timeout is entered is not taken for "
           "that timeout",
    "barrier": "who is cancelled at a barrier is counted out at once, not when "
               "he runs next, and wakes nobody for nothing",
}


async def wait_for(loop, awaitable):
    """With a timeout that is not more than 0."""
    future = asyncio.ensure_future(awaitable)
    if not future.done():
        await cancel_and_wait(loop, future)
        if future.cancelled():
            raise TimeoutError
    return future.result()


async def wait_in_time(program, awaitable, timeout):
    """With a timeout that is more than 0, as asyncio has it but for D15."""
    try:
        async with program.timeout(program.loop.time() + timeout):
            return await awaitable
    except TimeoutError:
        if (not asyncio.isfuture(awaitable) or not awaitable.done()
                or awaitable.cancelled() or "D15" not in program.rules):
            raise
        return awaitable.result()


class Waiter(asyncio.Future):
    """Whose subject is done cannot be cancelled any more; its task can."""

    def cancel(self, msg=None):
        return not self.subject.done() and super().cancel(msg)


async def cancel_and_wait(loop, future):
    future.cancel()
    if future.done():
        return
    waiter = Waiter(loop=loop)
    waiter.subject = future

    def on_done(_):
        if not waiter.done():
            loop.call_directly = True
            waiter.set_result(None)
            loop.call_directly = False

    future.add_done_callback(on_done)
    try:
        await waiter
    finally:
        future.remove_done_callback(on_done)


class Timeout(asyncio.Timeout):
    """X01: asyncio lets the timeout swallow an earlier request."""

    async def __aenter__(self):
        self.requested = getattr(asyncio.current_task(), "_must_cancel", False)
        return await super().__aenter__()

    async def __aexit__(self, *error):
        try:
            return await super().__aexit__(*error)
        except TimeoutError:
            if self.requested:
                raise error[1]
            raise


def note_acquired(lock):
    lock.holds = getattr(lock, "holds", 0) + 1
    lock.hold = lock.holds


class Guard:
    def __init__(self, lock):
        self.lock = lock

    async def __aenter__(self):
        await self.lock.acquire()
        note_acquired(self.lock)
        self.hold = self.lock.hold

    async def __aexit__(self, *_):
        mutex = not isinstance(self.lock, asyncio.Semaphore)
        if mutex and not (self.lock.locked() and self.lock.hold == self.hold):
            return
        self.lock.release()


class Lock(asyncio.Lock):
    def _wake_up_first(self):
        for waiter in self._waiters or ():
            if not waiter.cancelled():
                if not waiter.done():
                    waiter.set_result(True)
                return


class Condition(asyncio.Condition):
    async def wait(self):
        if not self.locked():
            raise RuntimeError
        waiter = self._get_loop().create_future()
        self.release()
        try:
            self._waiters.append(waiter)
            try:
                await waiter
            finally:
                self._waiters.remove(waiter)
                await self.acquire_again()
            return True
        except BaseException:
            if not waiter.cancelled():
                self._notify(1)
            raise

    async def acquire_again(self):
        error = None
        while True:
            try:
                await self.acquire()
                break
            except asyncio.CancelledError as cancelled:
                error = cancelled
        if error is not None:
            raise error


class CountedWaiter(asyncio.Future):
    """Counts its task out as soon as it is cancelled."""

    def cancel(self, msg=None):
        cancelled = super().cancel(msg)
        if cancelled and self.barrier.fills():
            self.barrier._count -= 1
            self.barrier.gone.add(self.task)
        return cancelled


class Barrier(asyncio.Barrier):
    def __init__(self, parties):
        super().__init__(parties)
        self.gone = set()
        self.makes_waiter = False
        self._cond = Condition()
        self._cond._get_loop = lambda: self

    def create_future(self):
        loop = asyncio.get_running_loop()
        if not self.makes_waiter:
            return loop.create_future()
        self.makes_waiter = False
        waiter = CountedWaiter(loop=loop)
        waiter.barrier, waiter.task = self, asyncio.current_task()
        return waiter

    def fills(self):
        return self._state is type(self._state).FILLING

    async def _wait(self):
        self.makes_waiter = True
        try:
            await super()._wait()
        finally:
            self.makes_waiter = False
            if asyncio.current_task() in self.gone:
                self.gone.discard(asyncio.current_task())
                self._count += 1  # Barrier.wait takes it off again
