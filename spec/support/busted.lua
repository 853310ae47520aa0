-- As Debian's `busted`, wherever that is; for specs that start it in a child process.

-- One that neap, which is not loaded yet, does not know.
FOREIGN_YIELD = coroutine.yield -- luacheck: ignore 111

require "busted.runner" { standalone = false }
