# http_server.py - an HTTP server for specs, well-behaved and not. Prints its port.
#   http_server.py [CERTIFICATE KEY [TLSv1_2]]
import gzip
import http.server
import socket
import ssl
import sys
import time


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def reply(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def raw(self, data):
        self.wfile.write(data)
        self.close_connection = True

    def read_body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while True:
            size = int(self.rfile.readline(), 16)
            body += self.rfile.read(size)
            self.rfile.readline()
            if size == 0:
                return body

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def start_chunks(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    # ---- routes: /name or /name/argument ----

    def echo(self, _):
        body = self.read_body()
        lines = ["%s %s" % (self.command, self.path)]
        lines += sorted("%s: %s" % item for item in self.headers.items())
        self.reply(200, "\n".join(lines).encode() + b"\n\n" + body)

    def address(self, _):
        self.reply(200, str(self.client_address[1]).encode())

    def json(self, _):
        self.reply(200, b'{"id": 9007199254740993, "tags": []}')

    def status(self, code):
        self.reply(int(code), b"status " + code.encode())

    def cookies(self, _):
        self.reply(200, headers=[("Set-Cookie", "a=1"), ("set-cookie", "b=2"), ("Empty", "")])

    def redirect(self, argument):
        code, target = argument.split("/", 1)
        self.read_body()
        self.reply(int(code), b"elsewhere", [("Location", target)])

    def loop(self, _):
        self.reply(302, headers=[("Location", "/loop")])

    def chunks(self, count):
        self.start_chunks()
        for i in range(int(count)):
            self.chunk(b"%06d\n" % i)
        self.chunk(b"")

    def zeros(self, count):
        self.send_response(200)
        self.send_header("Content-Length", count)
        self.end_headers()
        for _ in range(int(count) // 65536):
            self.wfile.write(bytes(65536))

    def endless(self, _):
        self.start_chunks()
        while True:
            self.chunk(bytes(65536))

    def drip(self, _):
        self.start_chunks()
        self.chunk(b"first")
        time.sleep(30)

    def hang(self, _):
        time.sleep(30)

    def gzip(self, _):
        self.reply(200, gzip.compress(b"compressed"), [("Content-Encoding", "gzip")])

    def bomb(self, megabytes):
        body = gzip.compress(bytes(int(megabytes) << 20))
        self.reply(200, body, [("Content-Encoding", "gzip")])

    def damaged(self, _):
        body = gzip.compress(bytes(range(256)))
        body = body[:20] + bytes(20) + body[40:]
        self.reply(200, body, [("Content-Encoding", "gzip")])

    def truncated(self, _):
        self.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")

    def until_close(self, how):
        """Ends as TLS wants it, if `how` is clean."""
        if how.startswith("chunks"):
            self.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n4\r\nsome\r\n0\r\n\r\n")
        elif how.startswith("empty"):
            self.raw(b"HTTP/1.1 204 No Content\r\n\r\n")
        else:
            self.raw(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
            if self.command != "HEAD":
                self.raw(b"some")
        if how == "clean":
            self.connection.unwrap()

    def early_data(self, _):
        self.raw(b"HTTP/1.1 103 Early Hints\r\nA: 1\r\n\r\nHTTP/1.1 200 OK\r\nB: 2\r\n"
                 b"Content-Length: 2\r\n\r\nok")

    def folded(self, _):
        self.raw(b"HTTP/1.1 200 OK\r\nA: one\r\n two\r\nContent-Length: 0\r\n\r\n")

    def folded_first(self, _):
        self.raw(b"HTTP/1.1 200 OK\r\n folded\r\nContent-Length: 0\r\n\r\n")

    def no_status(self, _):
        self.raw(b"HTTP/.10 \r\nContent-Length: 0\r\n\r\n")

    def bare_cr(self, _):
        self.raw(b"HTTP/1.1 200 OK\r\nA: one\rB: two\r\r\nContent-Length: 0\r\n\r\n")

    def many_headers(self, count):
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        self.raw(b"X: 1\r\n" * int(count) + b"\r\n")

    def endless_headers(self, _):
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            self.wfile.write(b"X: 1\r\n" * 1000)

    def nul_header(self, _):
        self.raw(b"HTTP/1.1 200 OK\r\nA: \0\r\nContent-Length: 0\r\n\r\n")

    def bad_chunk(self, _):
        self.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx\r\n0\r\n\r\n")

    def no_http(self, _):
        self.raw(b"SSH-2.0-OpenSSH\r\n")

    def nothing(self, _):
        self.raw(b"")

    def refuse(self, _):
        self.raw(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
        self.rfile.read()  # a socket closed before would take the response along

    def route(self):
        name, _, argument = self.path.lstrip("/").partition("?")[0].partition("/")
        getattr(self, name)(argument)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = route


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # clients leave: that is what is tested

    def finish_request(self, request, client_address):
        if len(sys.argv) > 2:
            request = context.wrap_socket(request, server_side=True)
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().finish_request(request, client_address)


if len(sys.argv) > 2:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    if len(sys.argv) > 3:
        context.maximum_version = ssl.TLSVersion[sys.argv[3]]

server = Server(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
