-- Lua sources: bench, bindings/lua, scripts, spec. Run by `./dev check --only luacheck`.
std = "lua54"
max_line_length = 100
max_cyclomatic_complexity = 10
files["spec"] = { std = "+busted" }
exclude_files = { "build", "build-*", "bench/peers",
  "spec/hostile" } -- no models of good Lua
