# code.awk - code(line): a line of C without its comments and with its strings
# emptied, so that a name in prose is not taken for a call. For `awk -f`.

FNR == 1 { in_comment = 0 }

function code(line,    out, here) {
  out = ""
  while (line != "") {
    if (in_comment) {
      here = index(line, "*/")
      if (here == 0) return out
      in_comment = 0
      line = substr(line, here + 2)
    } else if (match(line, /"|'|\/\*|\/\//) == 0) {
      return out line
    } else {
      out = out substr(line, 1, RSTART - 1)
      here = substr(line, RSTART, RLENGTH)
      line = substr(line, RSTART + RLENGTH)
      if (here == "//") return out
      if (here == "/*") in_comment = 1
      else { out = out here here; line = after_quote(line, here) }
    }
  }
  return out
}

# after_quote("abc\" d\" e", "\""): what follows the closing quote
function after_quote(line, quote,    i, c) {
  for (i = 1; i <= length(line); i++) {
    c = substr(line, i, 1)
    if (c == "\\") i++
    else if (c == quote) return substr(line, i + 1)
  }
  return ""
}
