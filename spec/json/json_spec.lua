-- neap.json: what is read, what is written, and what is refused.
local json = require "neap.json"
local neap = require "neap"
local process = require "spec.support.process"

local function kind(value)
  return math.type(value) or type(value)
end

local function refuses(what, value)
  local ok, message = pcall(json.encode, value)
  assert.is_false(ok)
  assert.matches(("bad argument #1 to '[%%a.]*encode' %%(cannot encode %s%%)$"):format(
    (what:gsub("%p", "%%%0"))), message)
end

local function decode_error(text)
  local ok, err = pcall(json.decode, text)
  assert.is_false(ok, "decoded: " .. text:sub(1, 40))
  assert.is_true(neap.is(err, json.DecodeError), tostring(err))
  return err
end

describe("decode", function()
  local values = {
    { "1", 1, "integer" }, { "-0", 0, "integer" }, { "1.0", 1.0, "float" },
    { "1e3", 1000.0, "float" }, { "9007199254740993", 9007199254740993, "integer" },
    { "9223372036854775807", math.maxinteger, "integer" },
    { "-9223372036854775808", math.mininteger, "integer" },
    { "0.1", 0.1, "float" }, { "true", true, "boolean" }, { "false", false, "boolean" },
    { '""', "", "string" }, { [["a\u0000b"]], "a\0b", "string" },
    { [["\ud83d\ude00"]], "\u{1F600}", "string" }, { ' "\u{20AC}" ', "\u{20AC}", "string" },
    { [["\"\\\/\b\f\n\r\t"]], "\"\\/\b\f\n\r\t", "string" },
  }
  for _, case in ipairs(values) do
    it("reads " .. case[1], function()
      local value = json.decode(case[1])
      assert.are.equal(case[2], value)
      assert.are.equal(case[3], kind(value))
    end)
  end

  it("reads arrays and objects, null included, and the last of equal keys", function()
    local value = json.decode [[ {"a": [1, null, {"b": []}], "c": 1, "c": 2} ]]
    assert.are.equal(1, value.a[1])
    assert.are.equal(json.null, value.a[2])
    assert.are.equal(3, #value.a)
    assert.are.equal(0, #value.a[3].b)
    assert.are.equal(2, value.c)
  end)

  -- Each is taken by one or the other of Lua's usual JSON libraries.
  local malformed = {
    "", "  ", "[1,]", "[1 2]", "1 2", "[1]x", "01", "0x10", "+1", "1.", ".5", "NaN", "nan",
    "Infinity", "-Infinity", "{'a':1}", '{"a":1,}', '{a:1}', "// c\n1", "/* c */ 1", '"abc',
    "tru", "[1,2", '{"a"', '"a\nb"', [["\ud800"]], [["\x"]], '"\xff\xfe"', '"\xc0\x80"',
    '"\xed\xa0\x80"', '"\xf4\x90\x80\x80"', "\xef\xbb\xbf1", "1\0", '{"a\\u0000":1}',
    "9223372036854775808", "1e400",
  }
  for _, text in ipairs(malformed) do
    it(("refuses %q"):format(text), function() decode_error(text) end)
  end

  it("says where", function()
    local err = decode_error '{"a":\n  tru}'
    assert.are.same({ 2, 5 }, { err.line, err.column })
    assert.matches("line 2, column 5", err.message, 1, true)
  end)

  it("refuses what is nested without end", function()
    for _, open in ipairs { "[", '{"a":' } do
      assert.matches("depth", decode_error(open:rep(100000)).message)
    end
  end)

  it("checks its argument", function()
    local _, message = pcall(json.decode)
    assert.matches("string expected, got no value", message, 1, true)
  end)
end)

describe("encode", function()
  local texts = {
    { 1, "1" }, { 1.0, "1.0" }, { -0.0, "-0.0" }, { math.maxinteger, "9223372036854775807" },
    { 123456789012345678, "123456789012345678" }, { 0.1, "0.1" }, { 1 / 3, "0.3333333333333333" },
    { 0.1 + 0.2, "0.30000000000000004" }, { 1e300, "1e+300" }, { 2 ^ 53, "9007199254740992.0" },
    { true, "true" }, { false, "false" }, { json.null, "null" }, { "a\0b", [["a\u0000b"]] },
    { "\"\\/\b\f\n\r\t\127", [["\"\\/\b\f\n\r\t\u007f"]] }, { "\u{1F600}", '"\u{1F600}"' },
    { {}, "{}" }, { { 1, { 2 }, "x" }, '[1,[2],"x"]' }, { { a = { b = 1 } }, '{"a":{"b":1}}' },
    { { 1, json.null, 3 }, "[1,null,3]" }, { json.array(), "[]" }, { json.array { 1 }, "[1]" },
  }
  for _, case in ipairs(texts) do
    it("writes " .. case[2], function() assert.are.equal(case[2], json.encode(case[1])) end)
  end

  it("writes nil as null, and nothing at all is an error", function()
    assert.are.equal("null", json.encode(nil))
    local _, message = pcall(json.encode)
    assert.matches("value expected", message, 1, true)
  end)

  it("keeps an empty array that it has read", function()
    assert.are.equal('{"a":[]}', json.encode(json.decode '{"a":[]}'))
  end)

  it("refuses what JSON has no place for", function()
    refuses("NaN or infinity", 0 / 0)
    refuses("NaN or infinity", -math.huge)
    refuses("a function", print)
    refuses("a light userdata", { io.stdout } and debug.upvalueid(decode_error, 1))
    refuses("a thread", coroutine.create(print))
    refuses("a string that is not UTF-8", "\xff")
    refuses("a string that is not UTF-8", "\u{20AC}" .. "\xe2\x82")
    refuses("a string that is not UTF-8", { ["\xed\xa0\x80"] = 1 })
    refuses("a sequence with holes (put neap.json.null there)", { 1, nil, 3 })
    refuses("a sequence with holes (put neap.json.null there)", { [1000000] = 1 })
    refuses("a table with both strings and integers as keys", { 1, a = 2 })
    refuses("a table with a key of type boolean that is neither a string nor a positive integer",
      { [true] = 1 })
    refuses("a table with a key of type number that is neither a string nor a positive integer",
      { [0] = 1 })
  end)

  it("refuses a table in itself, and goes as deep as decode", function()
    local cycle = {}
    cycle[1] = cycle
    refuses("a table that is nested too deeply, or in itself", cycle)
    local deep = ("["):rep(2048) .. ("]"):rep(2048)
    assert.are.equal(deep, json.encode(json.decode(deep)))
  end)

  it("writes what decode reads back, whatever the locale", function()
    local code = [[
      os.setlocale("de_DE.UTF-8")
      local json = require "neap.json"
      print(json.encode { 1.5, json.decode "2.5" })]]
    assert.are.same({ code = 0, stdout = "[1.5,2.5]\n", stderr = "" },
      process.run { "neap", "-e", code })
  end)

  it("reads back every float it has written", function()
    local seed = 42
    for _ = 1, 2000 do
      seed = seed * 6364136223846793005 + 1442695040888963407
      local x = string.unpack("d", string.pack("i8", seed))
      if x == x and math.abs(x) ~= math.huge then
        assert.are.equal(x, json.decode(json.encode(x)))
      end
    end
  end)

  it("refuses every kind of text that is not UTF-8", function()
    for _, text in ipairs {
      "\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC3", "\xC3\x28", "\xE0\x9F\x80", "\xE1\x80",
      "\xE1\x80\x28", "\xE1\x80\xC0", "\xED\xA0\x80", "\xF0\x8F\x80\x80", "\xF1\x80\x80",
      "\xF1\x80\x80\x28", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF",
    } do
      refuses("a string that is not UTF-8", text)
      refuses("a string that is not UTF-8", { "a" .. text })
    end
  end)
end)
