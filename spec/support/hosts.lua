-- What the hosts in embed/ print: { name = text }, but for limits, which has a spec of its own.
return {
  hello = "hello, world\n",
  awaitable = "the answer is 42\nthe device is told that nobody waits\nin time\tfalse\n",
  threads = "500000500000 500500, 3 ticks while a thread is at work: yes\n",
  epoll = "task\t1\ntask\t2\ntask\t3\nthe host ticked meanwhile: yes\n",
  adopt = package.searchpath("luv", package.cpath)
    and "a task slept\na callback of luv\na task was woken by it\na task of its own\n"
    .. "the loop closes with 0\n",
}
