-- Certificates for specs, made by openssl in a folder that lasts as long as the process.
--
--   certificates()  { ca =, server =, key =, expired =, other =, client =, client_key = }:
--                   paths of PEM files. `server`, `expired` and `client` are signed by `ca`, are
--                   for "localhost" and 127.0.0.1, and share `key`; `other` is a CA of its own.
local made

local CONFIG = [[
[ req ]
distinguished_name = name
[ name ]
[ ca ]
basicConstraints = critical, CA:TRUE
[ leaf ]
subjectAltName = DNS:localhost, IP:127.0.0.1
]]

local SCRIPT = [[
set -e
cd '%s'
ca() { openssl req -x509 -newkey rsa:2048 -nodes -keyout $1.key -out $1.pem -days 2 \
  -subj "/CN=$1" -config conf -extensions ca; }
ca ca; ca other
openssl req -newkey rsa:2048 -nodes -keyout key.pem -out leaf.csr -subj /CN=localhost -config conf
openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -set_serial 1 -days 2 -out server.pem \
  -extfile conf -extensions leaf
openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -set_serial 2 -days -1 -out expired.pem \
  -extfile conf -extensions leaf
openssl rsa -in key.pem -aes128 -passout pass:secret -out encrypted.pem
]]

local function certificates()
  if made then return made end
  local dir = os.tmpname()
  os.remove(dir)
  assert(os.execute(("mkdir '%s'"):format(dir)))
  local file <close> = assert(io.open(dir .. "/conf", "w"))
  file:write(CONFIG)
  file:close()
  assert(os.execute(("(%s) >'%s/log' 2>&1"):format(SCRIPT:format(dir), dir)))
  local function path(name) return ("%s/%s.pem"):format(dir, name) end
  made = setmetatable({
    ca = path "ca", other = path "other", server = path "server", expired = path "expired",
    key = path "key", encrypted = path "encrypted",
  }, { __gc = function() os.execute(("rm -rf '%s'"):format(dir)) end })
  return made
end

return certificates
