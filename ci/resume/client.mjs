// Many clients of resume.js, whose connections are cut at random: every packet is answered once, in order.
//
//   node --experimental-websocket client.mjs URL
import { ResumeSocket } from "../../proactor/examples/resume_web/resume.js";

// Cuts end some time: where a connection takes long, too many would let none through.
const CLIENTS = 20, PACKETS = 300, CUTS = 50;
const url = process.argv[2];
let [resumed, afresh] = [0, 0];

function converse(client) {
  return new Promise((done, failed) => {
    let [sent, came, cuts] = [0, 0, 0];
    const text = (number) => `client ${client} ${"x".repeat((number * 37) % 500)}`;
    const session = new ResumeSocket(url, {
      packet: (bytes) => {
        const [got, expected] = [new TextDecoder().decode(bytes), `${came + 1}: ${text(came)}`];
        if (got !== expected) return failed(new Error(`client ${client}: ${got} instead of ${expected}`));
        came += 1;
        if (came === PACKETS) { clearInterval(sending); session.close(); }
      },
      state: (what, why) => {
        if (what === "resumed") resumed += 1;
        if (what === "afresh") afresh += 1;
        if (what === "lost") failed(new Error(`client ${client}: ${why}`));
        if (what === "ended") return came === PACKETS ? done() : failed(new Error(`client ${client} has ${came}`));
      },
    });
    const sending = setInterval(() => {
      for (let more = Math.random() * 10; more > 0 && sent < PACKETS; more -= 1) session.send(text(sent++));
      if (Math.random() < 0.1 && ++cuts <= CUTS) session.cut();
    }, 10);
  });
}

setTimeout(() => { console.error("it takes too long"); process.exit(1); }, 300000).unref();
await Promise.all([...Array(CLIENTS).keys()].map(converse));
if (resumed < CLIENTS || afresh > 0) throw new Error(`${resumed} resumed, ${afresh} afresh`);
console.log(`${CLIENTS} clients have had ${PACKETS} answers each, over ${resumed} resumed connections`);
process.exit(0);
