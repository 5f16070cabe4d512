// A client of an echo server, with Node's `ws`: client.js URL CERTIFICATE [deflate]
const assert = require("assert");
const fs = require("fs");
const WebSocket = require("ws");

const [url, certificate, word] = process.argv.slice(2);
const deflates = word === "deflate";
const options = { ca: url.startsWith("wss:") ? fs.readFileSync(certificate) : undefined };

// The next event of a peer.
const once = (peer, event) =>
  new Promise((resolve, reject) => {
    peer.once(event, (...values) => resolve(values));
    peer.once("error", reject);
  });

async function talk(perMessageDeflate = true) {
  const peer = new WebSocket(url, { ...options, perMessageDeflate });
  await once(peer, "open");
  assert.strictEqual(peer.extensions, deflates ? "permessage-deflate" : "");
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
  if (deflates) {
    for (const bits of [undefined, 9, 12, 15]) {
      const windows = bits ? { serverMaxWindowBits: bits, clientMaxWindowBits: bits } : {};
      await talk({ threshold: 0, ...windows });
      await talk({ threshold: 0, clientNoContextTakeover: true, serverNoContextTakeover: true, ...windows });
    }
    return;
  }
  await talk();
  await refused();
  await broken();
  await Promise.all(Array.from({ length: 20 }, () => talk()));
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
