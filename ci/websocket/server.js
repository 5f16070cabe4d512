// An echo server of Node's `ws`. Says where it listens, and how its client ends.
const { WebSocketServer } = require("ws");

const server = new WebSocketServer({
  host: "127.0.0.1",
  port: 0,
  handleProtocols: () => "echo.v1",
  perMessageDeflate: { threshold: 0 },
});
server.on("listening", () => console.log(`listening on ${server.address().port}`));
server.on("connection", (peer) => {
  if (!peer.extensions) throw new Error("the client offers to compress");
  peer.ping("there?");
  peer.on("message", (data, isBinary) => peer.send(data, { binary: isBinary }));
  peer.on("close", (code, reason) => console.log(`code ${code} ${reason}`));
});
