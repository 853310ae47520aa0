# doors.awk - see tools/doors. Needs code.awk.

BEGIN {
  home["lua_resume"] = "runtime/enter.h"
  home["lua_yield"] = home["lua_yieldk"] = "runtime/wait.c"
  home["uv_run"] = "runtime/loop.c"
}

FNR == 1 { head = 0; callback = "" }

function complain(text) {
  printf "%s:%d: %s\n", FILENAME, FNR, text
  bad = 1
}

function check_names(text,    name) {
  while (match(text, /[A-Za-z_][A-Za-z_0-9]*/)) {
    name = substr(text, RSTART, RLENGTH)
    text = substr(text, RSTART + RLENGTH)
    if (name in home && FILENAME != home[name])
      complain(name " belongs in " home[name])
    if (callback != "" && name ~ /^luaL?_[a-z]/ && text ~ /^[ \t]*\(/)
      complain(name " in " callback ": no Lua API in a uv callback")
  }
}

{
  line = code($0)

  # At the left margin on_x( begins a definition, or a declaration.
  if (match(line, /^([A-Za-z_][^=(]*[ *])?on_[a-z0-9_]+\(/)) {
    callback = substr(line, 1, RLENGTH - 1)
    sub(/.*[ *]/, "", callback)
    head = 1
  }
  check_names(line)

  if (head && line ~ /\{/) head = 0
  else if (head && line ~ /;/) head = callback = ""
  if (line ~ /^\}/ || (line ~ /^[A-Za-z_].*\}[ \t]*$/)) callback = ""
}

END { exit bad + 0 }
