-- expect: failed: .*only collectgarbage
collectgarbage "stop"
