-- What tasks make of each other, as small models: groups, gather, shield, wait, suspend and
-- callbacks. As kinds.lua, which gives the two functions.
local neap = require "neap"

local FAILURE = neap.Error "made to fail"

return function(kind, op)
  local yield = op("sleep(0)", function(run) run.api.sleep(0) end)

  -- Task groups --------------------------------------------------------------------------------

  --- A group with children; when it has been left, by whatever way, all have ended.
  local function group(name, ...)
    local bodies = table.pack(...)
    return op("group of " .. name, function(run)
      local children = {}
      local ok, result = pcall(run.api.task_group, function(g)
        run.group = g
        for i, fn in ipairs(bodies) do
          children[i] = g:create_task(function()
            run:note("a child begins", i)
            local done, value = pcall(fn, run)
            run:note("a child ends", i)
            if not done then error(value, 0) end
          end)
        end
        run:point()
        if bodies.n == 0 then run.subject:await() end
      end)
      for _, child in ipairs(children) do
        if not child:done() then run:problem "a group was left before its child" end
      end
      if not ok then error(result, 0) end
    end)
  end

  local function short(run) run.api.sleep(0) end
  local function waiting(run) return run.subject:await() end
  local function failing() error(FAILURE) end
  local function cleaning(run)
    local ok, err = pcall(waiting, run)
    run.api.sleep(0)
    if not ok then error(err, 0) end
  end

  local groups = {
    make = function(api) return api.future() end,
    observe = function(run) return run.subject:done() end,
    may_wait = function(run) return not run.subject:done() end,
  }

  local function settle_it(run, who)
    run.subject:set_result(who)
  end

  kind("task groups", groups, {
    group("a short one and one that waits", short, waiting),
    group("one that cleans up and one that fails", cleaning, failing),
    group "none, whose body waits",
    op("set_result", settle_it),
  })
  kind("task groups that end early", {
    make = groups.make, observe = groups.observe, may_wait = groups.may_wait,
  }, {
    group("two that wait", waiting, waiting),
    op("group:cancel()", function(run) if run.group then run.group:cancel() end end),
    op("set_exception", function(run) run.subject:set_exception(FAILURE) end), yield,
  })

  -- gather, shield, wait -----------------------------------------------------------------------

  local function two_futures(api, run)
    run.futures = { api.future(), api.future() }
    return run.futures
  end

  local function which_are_done(run)
    return (run.futures[1]:done() and 1 or 0) + (run.futures[2]:done() and 2 or 0)
  end

  local function any_pending(run) return which_are_done(run) < 3 end

  local function text_of(results)
    local texts = {}
    for i = 1, 2 do
      texts[i] = type(results[i]) == "table" and results[i].name or tostring(results[i])
    end
    return table.concat(texts, " ")
  end

  local function gather(return_exceptions)
    return op(return_exceptions and "gather, errors too" or "gather", function(run)
      return text_of(run.api.gather {
        run.futures[1], run.futures[2], return_exceptions = return_exceptions,
      })
    end)
  end

  local set_first = op("set the first", function(run, who) run.futures[1]:set_result(who) end)
  local cancel_first = op("cancel the first", function(run) return run.futures[1]:cancel() end)
  local fail_second = op("fail the second", function(run)
    run.futures[2]:set_exception(FAILURE)
  end)

  kind("gather", { make = two_futures, observe = which_are_done, may_wait = any_pending }, {
    gather(false), gather(true), set_first, fail_second,
  })
  kind("shield and gather", {
    make = two_futures, observe = which_are_done, may_wait = any_pending,
  }, {
    op("shield", function(run) return run.api.shield(run.futures[1]):await() end),
    gather(false), cancel_first, fail_second,
  })

  local function wait(return_when, timeout)
    return op("wait " .. return_when, function(run)
      if run.api ~= neap then
        return run.api.wait_for_several(run.futures, return_when, timeout)
      end
      local done = neap.wait(run.futures, { return_when = return_when, timeout = timeout })
      local sum = 0
      for _, future in ipairs(done) do
        sum = sum + (future == run.futures[1] and 2 or 4)
      end
      return sum
    end)
  end

  kind("wait", { timed = true, make = two_futures, observe = which_are_done }, {
    wait "FIRST_COMPLETED", wait("FIRST_EXCEPTION", 1), set_first, fail_second,
  })

  -- suspend ------------------------------------------------------------------------------------

  local function resume(how, value)
    return op(how, function(run)
      local fn = run[how]
      if fn then fn(value) end
      return fn ~= nil
    end)
  end

  kind("suspend", {
    make = function() end,
    observe = function(run) return run.on_cancels or 0 end,
  }, {
    op("suspend", function(run)
      return run.api.suspend(function(resumes, rejects)
        run.resume, run.reject = resumes, rejects
        return function() run.on_cancels = (run.on_cancels or 0) + 1 end
      end)
    end),
    resume("resume", 1), resume("reject", FAILURE), yield,
  })

  -- Callbacks ----------------------------------------------------------------------------------

  local function called(run, how)
    return function() run:note("called by " .. how, "") end
  end

  kind("callbacks", {
    timed = true,
    make = function() end,
    observe = function(run) return run.api.time() - run.start end,
    at_end = function(run) run.api.sleep(2) end, -- what is due is called
  }, {
    op("call_soon", function(run)
      local call_soon = run.api.call_soon_with_handle or run.api.call_soon
      run.handle = call_soon(called(run, "call_soon"))
    end),
    op("call_later(1)", function(run)
      run.handle = run.api.call_later(1, called(run, "call_later"))
    end),
    op("cancel the handle", function(run) if run.handle then run.handle:cancel() end end),
    op("sleep(1)", function(run) run.api.sleep(1) end),
  })
end
