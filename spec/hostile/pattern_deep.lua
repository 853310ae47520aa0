-- expect: failed: .*too complex
return ("a"):rep(1000):match(("(a?"):rep(31) .. ("a-"):rep(1000))
