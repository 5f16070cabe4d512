"""Talks in a room with a program of another language: room.py URL PROGRAM..."""

import asyncio
import sys

import websockets


async def main(url, *program):
    async with websockets.connect(url, open_timeout=60) as peer:
        other = await asyncio.create_subprocess_exec(*program, url)
        assert await asyncio.wait_for(peer.recv(), 120) == "hello from Node"
        await peer.send("hello from Python")
        assert await asyncio.wait_for(other.wait(), 120) == 0


asyncio.run(main(*sys.argv[1:]))
