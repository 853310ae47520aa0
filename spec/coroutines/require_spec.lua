-- Waits inside the bodies of modules.
local neap = require "neap"
local in_loop = require "spec.support.loop"
local bodies = require "spec.support.bodies"

local on_close = bodies.on_close

describe("a suspension inside the body of a module", function()
  local names = {}

  --- Registers a loader for `name` that is gone after the test.
  local function preload(name, loader)
    names[#names + 1] = name
    package.preload[name] = loader
  end

  after_each(function()
    for i = #names, 1, -1 do
      package.preload[names[i]] = nil
      package.loaded[names[i]] = nil
      names[i] = nil
    end
  end)

  it("suspends the task that requires it", in_loop(function()
    local log = {}
    preload("slow", function(...)
      log[#log + 1] = { "args", ... }
      neap.sleep(2)
      return { answer = 42 }
    end)
    local ticker = neap.create_task(function()
      for _ = 1, 3 do
        neap.sleep(0.5)
        log[#log + 1] = neap.time()
      end
    end)
    local module, data = require "slow"
    log[#log + 1] = { module.answer, data, neap.time() }
    ticker:await()
    assert.are.same({
      { "args", "slow", ":preload:" },
      0.5,
      1,
      1.5,
      { 42, ":preload:", 2 },
    }, log)
    assert.are.equal(module, require "slow")
    assert.are.equal(2, neap.time())
  end))

  it("gives true for a module that returns nothing", in_loop(function()
    preload("slow", function() neap.sleep(1) end)
    assert.is_true((require "slow"))
    assert.is_true(package.loaded.slow)
  end))

  it("keeps what the module put into package.loaded itself", in_loop(function()
    local mine = {}
    preload("slow", function(name)
      neap.sleep(1)
      package.loaded[name] = mine
    end)
    assert.are.equal(mine, (require "slow"))
  end))

  it("works when one slow module requires another", in_loop(function()
    preload("slow.outer", function()
      neap.sleep(1)
      return "outer " .. require "slow.inner"
    end)
    preload("slow.inner", function() return neap.sleep(1, "inner") end)
    assert.are.equal("outer inner", (require "slow.outer"))
    assert.are.equal(2, neap.time())
  end))

  it("works in a coroutine of the task", in_loop(function()
    preload("slow", function() return neap.sleep(1, "loaded") end)
    assert.are.equal("loaded", (coroutine.wrap(function() return require "slow" end)()))
  end))

  it("loads it once for two tasks that require it at the same time", in_loop(function()
    local log = {}
    local loads = 0
    preload("slow", function()
      loads = loads + 1
      neap.sleep(2)
      return { answer = 42 }
    end)
    local function user(name)
      return neap.create_task(function()
        local module = require "slow"
        log[#log + 1] = { name, neap.time() }
        return module
      end)
    end
    local first = user "first"
    neap.sleep(1)
    local second = user "second"
    assert.are.equal(first:await(), second:await())
    assert.are.equal(1, loads)
    assert.are.same({ { "first", 2 }, { "second", 2 } }, log)
  end))

  it("does not make a task wait for the loading of another module", in_loop(function()
    local log = {}
    preload("slow", function()
      neap.sleep(2)
      log[#log + 1] = "slow"
    end)
    preload("quick", function() log[#log + 1] = "quick" end)
    local slow = neap.create_task(require, "slow")
    local quick = neap.create_task(require, "quick")
    slow:await()
    quick:await()
    assert.are.same({ "quick", "slow" }, log)
  end))

  it("leaves a module that failed to be tried again", in_loop(function()
    local loads = 0
    preload("slow", function()
      loads = loads + 1
      neap.sleep(1)
      if loads == 1 then
        error "first load fails"
      end
      return "second load"
    end)
    local ok, err = pcall(require, "slow")
    assert.is_false(ok)
    assert.matches("first load fails", tostring(err), 1, true)
    assert.is_nil(package.loaded.slow)
    assert.are.equal("second load", (require "slow"))
    assert.are.equal(2, loads)
  end))

  it("is cancelled with the task; another one that waits gets the module", in_loop(function()
    local log = {}
    preload("slow", function()
      local ok, err = pcall(neap.sleep, 2)
      log[#log + 1] = { ok, neap.time() }
      if not ok then
        error(err, 0)
      end
      return "loaded"
    end)
    local first = neap.create_task(require, "slow")
    neap.sleep(0)
    local second = neap.create_task(require, "slow")
    neap.sleep(1)
    first:cancel()
    pcall(first.await, first)
    assert.is_true(first:cancelled())
    assert.are.equal("loaded", (second:await()))
    assert.are.same({ { false, 1 }, { true, 3 } }, log)
  end))

  it("works in a searcher too", in_loop(function()
    local function searcher(name)
      neap.sleep(1)
      if name == "slow.searched" then
        return function(...)
          neap.sleep(1)
          return { ... }
        end, "extra"
      end
      return "no slow module here"
    end
    names[#names + 1] = "slow.searched"
    table.insert(package.searchers, 2, searcher)
    local restore <close> = on_close(function() table.remove(package.searchers, 2) end)
    local module, data = require "slow.searched"
    assert.are.same({ "slow.searched", "extra" }, module)
    assert.are.equal("extra", data)
    assert.are.equal(2, neap.time())
    local ok, err = pcall(require, "slow.missing")
    assert.is_false(ok)
    assert.matches("module 'slow.missing' not found", err, 1, true)
    assert.matches("no slow module here", err, 1, true)
    assert.are.equal(3, neap.time())
    assert.is_truthy(restore)
  end))
end)
