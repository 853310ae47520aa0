-- The scripts that show whole patterns do what they say, to the letter: on the virtual clock
-- their output is exact.
local process = require "spec.support.process"

-- Under stock lua5.4, what the program's --virtual-clock does.
local VIRTUAL_CLOCK = [[CLOCK = require "neap" and require("neap.testing").virtual_clock()]]

-- Script, what it shows, and all of its output.
local scripts = {
  {
    "crawler",
    "fetches each page once, three at a time, and gets over a broken link",
    [[
0.30  worker 1  /
0.42  worker 3  /about
0.75  worker 2  /blog
0.83  worker 1  /docs
0.89  worker 3  /blog/2
1.06  worker 2  /blog/1
1.09  worker 1  /blog/3
1.11  worker 2  HTTPError: 404 /lost
1.13  worker 3  /docs/api
the crawl is complete
]],
  },
  {
    "pipeline",
    "holds its producer back to the pace of the slowest stage",
    [[
0.10  record 1 went straight on
0.20  record 2 went straight on
0.30  record 3 went straight on
0.40  record 4 went straight on
0.50  record 5 went straight on
0.85                  stored RECORD 1
0.85  record 6 was held back for 0.25 s
1.45                  stored RECORD 2
1.45  record 7 was held back for 0.50 s
2.05                  stored RECORD 3
2.05  record 8 was held back for 0.50 s
2.05  producer done
2.65                  stored RECORD 4
3.25                  stored RECORD 5
3.85                  stored RECORD 6
4.45                  stored RECORD 7
5.05                  stored RECORD 8
5.05  all stored
]],
  },
  {
    "retry",
    "tries again, ever later, until it succeeds or its deadline has passed",
    [[
 0.20  attempt 1: Unavailable: 503 try again later; again in 0.22 s
 0.62  attempt 2: Unavailable: 503 try again later; again in 0.43 s
 2.06  attempt 3: TimeoutError; again in 1.10 s
 3.35  attempt 4: Unavailable: 503 try again later; again in 1.87 s
 5.42  attempt 5: Unavailable: 503 try again later; again in 3.38 s
 9.00  answer to the question
 1.00  attempt 1: TimeoutError; again in 0.25 s
 2.25  attempt 2: TimeoutError; again in 0.58 s
 3.84  attempt 3: TimeoutError; again in 0.97 s
 5.81  attempt 4: TimeoutError; again in 1.35 s
 8.16  attempt 5: TimeoutError; again in 4.93 s
10.00  the deadline has passed: giving up
]],
  },
  {
    "graceful_shutdown",
    "finishes what was begun, and cancels only the straggler",
    [[
0.0  job 1 begins
0.0  job 2 begins
0.0  job 3 begins
0.7  job 1 committed
0.7  job 4 begins
0.9  job 2 committed
0.9  job 5 begins
1.1  job 3 committed
1.1  job 6 begins
1.9  job 6 committed
1.9  job 7 begins
2.0  stop: 2 jobs are not begun, and will not be
2.3  job 4 committed
2.5  job 7 committed
4.0  grace period over: 1 still at work
4.1  job 5 rolled back: CancelledError: shutting down
4.1  bye
]],
  },
}

describe("the script", function()
  for _, script in ipairs(scripts) do
    local name, shows, output = table.unpack(script)
    local path = ("scripts/%s.lua"):format(name)
    local expected = { code = 0, stdout = output, stderr = "" }

    it(name .. " " .. shows, function()
      assert.are.same(expected, process.run { "neap", "--virtual-clock", path })
    end)

    it(name .. " does the same under stock lua5.4", function()
      assert.are.same(expected, process.run { "lua5.4", "-e", VIRTUAL_CLOCK, path })
    end)
  end
end)
