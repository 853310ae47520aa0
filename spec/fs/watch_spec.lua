-- neap.fs.watch
local neap = require "neap"
local fs = require "neap.fs"
local started = require "spec.support.started"
local testing = require "neap.testing"
local with_directory = require "spec.support.temporary"

local insert = table.insert

describe("fs.watch", function()
  it("tells what happens in a directory", with_directory(function(dir)
    local watch <close> = fs.watch(dir)
    fs.write_file(dir .. "/new", "x")
    assert.are.same({ "rename", "new" }, { watch:next() })
    assert.are.same({ "change", "new" }, { watch:next() })
    fs.rename(dir .. "/new", dir .. "/other")
    assert.are.same({ "rename", "new" }, { watch:next() })
    assert.are.same({ "rename", "other" }, { watch:next() })
    fs.unlink(dir .. "/other")
    assert.are.same({ "rename", "other" }, { watch:next() })
  end))

  it("wakes the task that waits", with_directory(function(dir)
    fs.write_file(dir .. "/file", "")
    local watch <close> = fs.watch(dir .. "/file")
    local task = neap.create_task(watch.next, watch)
    neap.sleep(0)
    assert.matches("waits in events of a watch", neap.format_tasks())
    fs.append_file(dir .. "/file", "x")
    assert.are.equal("change", (task:await()))
  end))

  it("is an iterator, which ends when it is closed", with_directory(function(dir)
    local seen = {}
    local watch
    local task = neap.create_task(function()
      local iterator, state, control, closing = fs.watch(dir)
      watch = iterator
      for event, name in iterator, state, control, closing do
        insert(seen, event .. " " .. name)
      end
      insert(seen, "end")
    end)
    neap.sleep(0)
    fs.mkdir(dir .. "/a")
    while #seen == 0 do neap.sleep(0) end
    watch:close()
    watch:close()
    task:await()
    assert.are.same({ "rename a", "end" }, seen)
    assert.is_nil((watch:next()))
    assert.matches("closed>$", tostring(watch))
  end))

  it("keeps no more than it can", with_directory(function(dir)
    local watch <close> = fs.watch(dir)
    assert.are.equal("<Watch '" .. dir .. "'>", tostring(watch))
    for i = 1, 1100 do
      assert(io.open(dir .. "/" .. i, "w")):close()
    end
    neap.sleep(0)
    fs.stat(dir)
    fs.stat(dir)
    local first = watch:next()
    assert.are.equal("overflow", first)
    local count = 0
    while count < 1024 do
      assert.is_string((watch:next()))
      count = count + 1
    end
  end))

  it("a cancelled task loses no event", with_directory(function(dir)
    local watch <close> = fs.watch(dir)
    testing.shuffle(0)
    local one = neap.create_task({ name = "one" }, watch.next, watch)
    local two = neap.create_task(watch.next, watch)
    neap.sleep(0)
    assert(os.execute("unset LD_PRELOAD; mkdir " .. dir .. "/a"))
    repeat neap.sleep(0) until not neap.format_tasks():find '"one"[^\n]* waits'
    one:cancel() -- it was woken, but has not run yet
    assert.are.same({ "rename", "a" }, { two:await() })
    assert.is_true(one:cancelled())
  end))

  it("is stopped by the collector", with_directory(function(dir)
    local before = neap.stats().handles
    fs.watch(dir)
    collectgarbage()
    collectgarbage()
    assert.are.equal(before, neap.stats().handles)
  end))

  it("raises what the system answers", with_directory(function(dir)
    local ok, err = pcall(fs.watch, dir .. "/none")
    assert.is_false(ok)
    assert.are.equal("ENOENT watch", err.code .. " " .. err.syscall)
  end))

  it("whoever waits for an event holds a virtual clock", with_directory(function(dir)
    local watch <close> = fs.watch(dir)
    local writer = neap.create_task(fs.write_file, dir .. "/new", "x")
    assert.are.same({ "rename", "new" }, { neap.timeout(1, watch.next, watch) })
    writer:await()
  end))

  it("closed while somebody waits who is then cancelled, it is quiet", with_directory(function(dir)
    local watch = fs.watch(dir)
    local waiter = started(watch.next, watch)
    watch:close()
    waiter:cancel()
    assert.is_false(pcall(waiter.await, waiter))
    assert.is_nil(watch:next())
  end))
end)
