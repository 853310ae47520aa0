-- neap.uv(): the luv module on neap's loop.
local neap = require "neap"
local in_loop = require "spec.support.loop"
local process = require "spec.support.process"

local HEAD = "local neap = require 'neap' local uv = neap.uv() "

local function run_script(code, ...)
  return process.run({ ... }, { stdin = HEAD .. code })
end

describe("neap.uv", function()
  it("is luv, and what require gives from then on", in_loop(function()
    local uv = neap.uv()
    assert.are.equal(uv, neap.uv())
    assert.are.equal(uv, require "luv")
    assert.matches("^%d+%.%d+", uv.version_string())
  end))

  it("calls back while tasks wait", in_loop(function()
    local uv = neap.uv()
    local event, seen = neap.event(), {}
    local timer = uv.new_timer()
    timer:start(1, 1, function()
      seen[#seen + 1] = tostring(neap.current_task())
      if #seen == 3 then
        timer:close(function() event:set() end)
      end
    end)
    event:wait()
    assert.are.same({ "nil", "nil", "nil" }, seen)
  end))

  it("goes with suspend and wrap", in_loop(function()
    local uv = neap.uv()
    local stat = neap.wrap(uv.fs_stat)
    assert.are.equal("directory", stat("/").type)
    local ok, err = pcall(stat, "/no/such/file")
    assert.is_false(ok)
    assert.matches("ENOENT", err)
  end))

  it("makes its callbacks in the main thread, wherever it was asked", in_loop(function()
    local event, main = neap.event(), nil
    coroutine.wrap(function()
      local timer = neap.uv().new_timer()
      timer:start(1, 0, function()
        main = select(2, coroutine.running())
        timer:close()
        event:set()
      end)
    end)()
    collectgarbage()
    event:wait()
    assert.is_true(main)
  end))

  it("its callbacks may start tasks, and settle futures", in_loop(function()
    local uv, future = neap.uv(), neap.future()
    local timer = uv.new_timer()
    timer:start(1, 0, function()
      timer:close()
      neap.create_task(function()
        neap.sleep(0)
        future:set_result "made"
      end)
    end)
    assert.are.equal("made", future:await())
  end))

  it("an error in a callback is reported, whatever it is", in_loop(function(reports)
    local uv = neap.uv()
    local timer, count = uv.new_timer(), 0
    local values = {
      "text", 42, {}, setmetatable({}, {}), setmetatable({}, { __tostring = error }), false,
      neap.OSError "x", coroutine.create(print), function() end,
    }
    local event = neap.event()
    timer:start(1, 1, function()
      count = count + 1
      if count > #values then
        timer:close()
        event:set()
      else
        error(values[count], 0)
      end
    end)
    event:wait()
    assert.are.equal(#values, #reports)
    for i = #values, 1, -1 do
      assert.are.equal("Exception in luv callback", reports[i].message)
      assert.are.equal(values[i], reports[i].exception)
      reports[i] = nil
    end
  end))

  it("a callback cannot wait, and is told so", in_loop(function(reports)
    local timer = neap.uv().new_timer()
    timer:start(1, 0, function()
      timer:close()
      neap.sleep(1)
    end)
    while #reports == 0 do neap.sleep(0) end
    assert.matches("outside a task: a callback cannot wait", table.remove(reports).exception)
  end))

  it("does not give the loop away", in_loop(function()
    local uv = neap.uv()
    for _, name in ipairs { "run", "loop_close", "walk" } do
      local ok, err = pcall(uv[name], print)
      assert.is_false(ok)
      assert.matches("luv's " .. name .. " cannot be called: the loop", err)
    end
  end))

  it("a luv handle keeps the main task waiting", function()
    local result = run_script([[
      local future = neap.future()
      local timer = uv.new_timer()
      timer:start(5, 0, function() future:set_result "late" end)
      print(future:await())
      timer:close()
      print(pcall(neap.future().await, neap.future()))
    ]], "neap", "-")
    assert.matches("^late\nfalse\tDeadlockError", result.stdout)
    assert.are.equal("", result.stderr)
  end)
end)

describe("neap.uv at the end", function()
  -- Handles of every kind: alive, being closed, closed; requests in flight.
  local HANDLES = [[
    local function handles()
      local list = {
        uv.new_timer(), uv.new_tcp(), uv.new_udp(), uv.new_pipe(false), uv.new_signal(),
        uv.new_async(print), uv.new_fs_event(), uv.new_fs_poll(), uv.new_idle(),
        uv.new_check(), uv.new_prepare(),
      }
      list[1]:start(1, 1, error)
      list[2]:bind("127.0.0.1", 0) list[2]:listen(1, error)
      list[3]:bind("127.0.0.1", 0) list[3]:recv_start(error)
      list[5]:start("sigusr1", error)
      list[7]:start("/tmp", {}, error)
      list[8]:start("/tmp", 1000, error)
      list[11]:start(function() end)
      return list
    end
    local function requests()
      uv.fs_stat("/etc", error)
      uv.fs_scandir("/etc", error)
      uv.getaddrinfo("localhost", nil, {}, error)
      uv.spawn("true", { args = {} }, error)
      local a = uv.new_tcp() a:connect("127.0.0.1", 1, error)
    end
  ]]

  for name, code in pairs {
    alive = "kept = handles() neap.sleep(0)",
    ["being closed"] = "kept = handles() for _, h in ipairs(kept) do h:close() end",
    ["being closed, with callbacks"] =
      "kept = handles() for _, h in ipairs(kept) do h:close(error) end",
    ["being closed and forgotten"] = [[
      for _, h in ipairs(handles()) do h:close() end collectgarbage() collectgarbage()]],
    closed = [[
      kept = handles() for _, h in ipairs(kept) do h:close() end
      neap.sleep(0.01) kept = nil collectgarbage() collectgarbage()]],
    forgotten = "handles() collectgarbage() collectgarbage()",
    ["with requests in flight"] = "requests()",
    ["with all of that, by os.exit"] = [[
      kept = handles() for _, h in ipairs(handles()) do h:close() end requests()
      os.exit(0, true)]],
    ["with all of that, by an error"] = [[
      kept = handles() for _, h in ipairs(handles()) do h:close(error) end requests()
      neap.create_task(os.exit, 0, true) neap.sleep(1)]],
  } do
    it("handles " .. name, function()
      local result = run_script(HANDLES .. code, "neap", "-")
      assert.are.same({ code = 0, stdout = "", stderr = "" }, result)
      result = run_script(HANDLES .. "neap.run(function() " .. code .. " end)", "lua5.4", "-")
      assert.are.same({ code = 0, stdout = "", stderr = "" }, result)
    end)
  end

  it("many handles come and go", function()
    local result = run_script([[
      for i = 1, 2000 do
        local timer = uv.new_timer()
        timer:start(0, 0, function() end)
        if i % 3 > 0 then timer:close() end
        if i % 100 == 0 then neap.sleep(0.001) collectgarbage() end
      end
      neap.sleep(0.01)
      collectgarbage()
      print(neap.stats().handles)
    ]], "neap", "-")
    assert.are.equal("", result.stderr)
    assert.are.equal(0, result.code)
  end)
end)

describe("neap.uv without luv", function()
  it("says what is missing", function()
    local result = process.run({ "neap", "-" }, {
      stdin = [[
        package.cpath = "/nowhere/?.so"
        local neap = require "neap"
        print(pcall(function() local uv = neap.uv() return uv end))
        neap.sleep(0)
        print(#require "neap.fs".readdir "/" > 0)
      ]],
    })
    assert.matches("^false\tstdin:3: neap.uv needs luv, which is not there %(Debian: lua%-luv",
      result.stdout)
    assert.matches("\ntrue\n$", result.stdout)
  end)

  it("refuses a library that is not luv", function()
    local result = process.run({ "neap", "-" }, {
      stdin = [[
        package.cpath = os.getenv "NEAP_BUILD" .. "/neap.so"
        print(pcall(require "neap".uv))
      ]],
    })
    assert.matches("neap.uv needs luv, which is not there .*undefined symbol", result.stdout)
  end)

  it("refuses luv with a loop of its own", function()
    local result = process.run({ "neap", "-" }, {
      stdin = [[
        require "luv"
        print(pcall(require "neap".uv))
      ]],
    })
    assert.matches("luv has been loaded with a loop of its own", result.stdout)
    assert.are.equal(0, result.code)
  end)
end)
