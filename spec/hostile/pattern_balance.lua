-- expect: failed: .*step limit exceeded
return ("("):rep(1e6):find "%b()"
