-- expect: failed: .*step limit exceeded
return (("a?"):rep(28) .. ("a"):rep(28)):len(), ("a"):rep(28):find(("a?"):rep(28) .. ("a"):rep(28) .. "b")
