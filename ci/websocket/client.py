"""A client of an echo server, with Python's `websockets`: client.py URL CERTIFICATE [stay|deflate]"""

import asyncio
import ssl
import sys

import websockets

# A busy machine takes its time.
PATIENCE = {"open_timeout": 60, "close_timeout": 60, "ping_interval": None}


def context(url, certificate):
    return ssl.create_default_context(cafile=certificate) if url.startswith("wss:") else None


async def talk(url, security, extensions=None):
    offer = {"extensions": extensions, "compression": None} if extensions else {"compression": "deflate"}
    async with websockets.connect(url, ssl=security, max_size=None, **offer, **PATIENCE) as peer:
        assert bool(peer.protocol.extensions) == bool(extensions), peer.protocol.extensions
        for text in ["", "hello", "größer 😀", "x" * 65_536]:
            await peer.send(text)
            assert await peer.recv() == text
        for size in [0, 1, 125, 126, 65_535, 65_536]:
            message = bytes(range(256)) * (size // 256 + 1)
            await peer.send(message[:size])
            assert await peer.recv() == message[:size]
        # Fragments, with a ping between two messages.
        await peer.send(["frag", "men", "ted ", "text"])
        assert await peer.recv() == "fragmented text"
        pong = await peer.ping(b"are you there?")
        await asyncio.wait_for(pong, 60)
        for index in range(1000):
            await peer.send(str(index))
        for index in range(1000):
            assert await peer.recv() == str(index)
        await peer.close(4000, "done")
    assert (peer.close_code, peer.close_reason) == (4000, ""), (peer.close_code, peer.close_reason)


async def refused(url, security):
    for target, headers, status in [(url + "/other", {}, 404), (url, {"Origin": "https://evil.example"}, 403)]:
        try:
            await websockets.connect(target, ssl=security, additional_headers=headers, **PATIENCE)
        except websockets.InvalidStatus as error:
            assert error.response.status_code == status, error
        else:
            raise AssertionError(f"{target} is accepted")


async def too_long(url, security):
    async with websockets.connect(url, ssl=security, max_size=None, **PATIENCE) as peer:
        try:
            await peer.send(b"x" * 65_537)
            await peer.recv()
        except websockets.ConnectionClosed as error:
            assert error.rcvd.code == 1009, error
        else:
            raise AssertionError("a message over the limit is taken")


async def stay(url, security):
    async with websockets.connect(url, ssl=security, **PATIENCE) as peer:
        print("stays", flush=True)
        try:
            await peer.recv()
        except websockets.ConnectionClosed as error:
            assert error.rcvd.code == 1001, error


# Every window that the client can have, and each side asked to keep nothing.
async def deflate(url, security):
    from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

    for bits in [None, 9, 12, 15]:
        for nothing in [False, True]:
            offer = ClientPerMessageDeflateFactory(nothing, nothing, bits, bits or True)
            await talk(url, security, [offer])
    offer = [ClientPerMessageDeflateFactory(client_max_window_bits=True)]
    async with websockets.connect(url, ssl=security, max_size=None, extensions=offer, compression=None, **PATIENCE) as peer:
        try:
            await peer.send(b"\0" * (64 << 20))
            await peer.recv()
        except websockets.ConnectionClosed as error:
            assert error.rcvd.code == 1009, error
        else:
            raise AssertionError("a bomb is taken")


async def main(url, certificate, *words):
    security = context(url, certificate)
    if words == ("deflate",):
        return await deflate(url, security)
    if words:
        return await stay(url, security)
    await talk(url, security)
    await refused(url, security)
    await too_long(url, security)
    await asyncio.gather(*(talk(url, security) for _ in range(20)))


asyncio.run(main(*sys.argv[1:]))
