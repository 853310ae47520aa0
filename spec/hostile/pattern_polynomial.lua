-- expect: failed: .*step limit exceeded
return ("a"):rep(20000):match ".-.-.-.-b"
