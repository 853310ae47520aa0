# arrows.awk - see tools/arrows.

function stem(path) {
  sub(/\.[ch]$/, "", path)
  return path
}

function allowed(from, to) {
  if (from ~ /^runtime\/host\//) return 1
  if (from ~ /^runtime\//) return to ~ /^runtime\/[^\/]*$/
  if (from ~ /^embed\//) return to == "runtime/neap.h"
  if (to ~ /^runtime\/[^\/]*$/) return 1
  return to == "bindings/arg.h" || to == "bindings/lua_sources.h" ||
    to == "bindings/neap.h" || stem(to) == stem(from) || (stem(from) == "bindings/neap" && to ~ /^bindings\//)
}

/^[ \t]*#[ \t]*include[ \t]*"/ {
  split($0, part, "\"")
  if (!allowed(FILENAME, part[2])) {
    printf "%s:%d: may not include \"%s\"\n", FILENAME, FNR, part[2]
    bad = 1
  }
}

END { exit bad + 0 }
