// A client of an echo server, with Node's `ws`: client.js URL CERTIFICATE
const assert = require("assert");
const fs = require("fs");
const WebSocket = require("ws");

const [url, certificate] = process.argv.slice(2);
const options = { ca: url.startsWith("wss:") ? fs.readFileSync(certificate) : undefined };

// The next event of a peer.
const once = (peer, event) =>
  new Promise((resolve, reject) => {
    peer.once(event, (...values) => resolve(values));
    peer.once("error", reject);
  });

async function talk() {
  const peer = new WebSocket(url, options);
  await once(peer, "open");
  assert.strictEqual(peer.extensions, "", "an extension that the server does not have");
  for (const text of ["", "hello", "größer 😀", "x".repeat(65536)]) {
    peer.send(text);
    const [data, isBinary] = await once(peer, "message");
    assert(!isBinary && data.toString() === text);
  }
  for (const size of [0, 1, 125, 126, 65535, 65536]) {
    const bytes = Buffer.alloc(size, 0xee);
    peer.send(bytes);
    const [data, isBinary] = await once(peer, "message");
    assert(isBinary && data.equals(bytes));
  }
  peer.send("frag", { fin: false });
  peer.ping("are you there?");
  peer.send("mented", { fin: true });
  const [[pong], [data]] = await Promise.all([once(peer, "pong"), once(peer, "message")]);
  assert.strictEqual(pong.toString(), "are you there?");
  assert.strictEqual(data.toString(), "fragmented");
  peer.close(4001, "done");
  const [code] = await once(peer, "close");
  assert.strictEqual(code, 4001);
}

async function refused() {
  const peer = new WebSocket(url + "/other", options);
  const [, response] = await new Promise((resolve) => peer.once("unexpected-response", (...it) => resolve(it)));
  assert.strictEqual(response.statusCode, 404);
  peer.on("error", () => {});
  peer.terminate();
}

// Text that is not UTF-8 is refused with its code.
async function broken() {
  const peer = new WebSocket(url, options);
  await once(peer, "open");
  peer.send(Buffer.from([0xc3, 0x28]), { binary: false });
  const [code] = await once(peer, "close");
  assert.strictEqual(code, 1007);
}

(async () => {
  await talk();
  await refused();
  await broken();
  await Promise.all(Array.from({ length: 20 }, talk));
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
