-- A helper of busted's: what is printed is there when the process is killed.
io.stdout:setvbuf "line"
