// Talks in a room with a program of another language: room.js URL
const WebSocket = require("ws");

const peer = new WebSocket(process.argv[2]);
let pinged = false;
peer.on("open", () => peer.send("hello from Node"));
// The server's heartbeats.
peer.on("ping", () => (pinged = true));
peer.on("message", (data, isBinary) => {
  const heard = !isBinary && data.toString() === "hello from Python";
  const end = () => (pinged ? process.exit(heard ? 0 : 1) : setTimeout(end, 50));
  end();
});
setTimeout(() => process.exit(2), 120000);
