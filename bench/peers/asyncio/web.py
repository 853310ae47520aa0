# An HTTP server, aiohttp's, on asyncio's loop or uvloop.
# usage: web.py asyncio|uvloop PORT
import sys

from aiohttp import web

if sys.argv[1] == "uvloop":
    import uvloop
    uvloop.install()


def answer(body):
    async def handler(request):
        return web.Response(body=body, content_type="text/plain")
    return handler


app = web.Application()
app.router.add_get("/hello", answer(b"Hello, world!"))
app.router.add_get("/16k", answer(b"x" * 16384))
web.run_app(app, host="127.0.0.1", port=int(sys.argv[2]), access_log=None, print=None)
