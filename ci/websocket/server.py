"""An echo server of Python's `websockets` for one client. Says where it listens, and how that ends."""

import asyncio

import websockets


async def echo(peer):
    assert peer.subprotocol == "echo.v1", peer.subprotocol
    assert peer.protocol.extensions, "the client offers to compress"
    await asyncio.wait_for(await peer.ping(b"there?"), 60)
    try:
        while True:
            message = await peer.recv()
            # In fragments.
            half = len(message) // 2
            await peer.send([message[:half], message[half:]] if half else message)
    except websockets.ConnectionClosed:
        pass
    print("code", peer.close_code, peer.close_reason, flush=True)


async def main():
    async with websockets.serve(echo, "127.0.0.1", 0, subprotocols=["echo.v1"], max_size=None, open_timeout=60, ping_interval=None) as server:
        print("listening on", server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()


asyncio.run(main())
