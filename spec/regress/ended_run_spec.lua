-- What is under way when a run ends.
local process = require "spec.support.process"

describe("a look-up that libuv has finished", function()
  it("is freed, though the run ends before its task is told", function()
    assert.are.same({ code = 0, stdout = "", stderr = "" }, process.run {
      "neap", "-e", [[
        local neap, dns = require "neap", require "neap.dns"
        neap.create_task(function() dns.getaddrinfo "127.0.0.1" end)
        neap.sleep(0)
        local began = os.clock() -- meanwhile the thread looks it up
        repeat until os.clock() - began > 0.2
        local polls = neap.stats().polls
        repeat neap.sleep(0) until neap.stats().polls > polls
        os.exit(0, true)
      ]],
    })
  end)
end)
