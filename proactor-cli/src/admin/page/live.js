// What a person looks at first when something is wrong.

import { ask } from "/ask.js";
import { nodes } from "/nodes.js";
import { Board, show } from "/plots.js";
import { SessionView } from "/session.js";
import { Sessions, age } from "/sessions.js";

const find = (id) => document.getElementById(id);
const reasons = (counts) => Object.entries(counts ?? {}).map(([name, numbers]) => [name.replaceAll("_", " "), numbers]);

const board = new Board(find("plots"), [
  { title: "Sessions", unit: "count", least: 4, lines: (all) => [["sessions", all.sessions], ["silent", all.handshakes]] },
  { title: "Bytes", unit: "byteRate", least: 1024, lines: (all) => [["in", all.received_bytes], ["out", all.sent_bytes]] },
  { title: "Packets", unit: "rate", least: 10, lines: (all) => [["in", all.received_packets], ["out", all.sent_packets]] },
  { title: "Turn time", unit: "time", least: 1e-4, lines: (all) => [["99 of 100 under", all.turn_99th], ["mean", all.turn_mean]] },
  { title: "Refusals", unit: "rate", least: 1, lines: (all) => reasons(all.refused) },
  { title: "Accepts and closes", unit: "rate", least: 1, lines: (all) => [["accepted", all.accepted], ...reasons(all.closed)] },
  { title: "Queued for peers", unit: "bytes", least: 1024, lines: (all) => [["queued", all.queued_bytes]] },
  { title: "Slow consumers", unit: "rate", least: 1, lines: (all) => [["acted on", all.slow_consumers], ["packets dropped", all.dropped_packets]] },
  { title: "Memory", unit: "bytes", least: 1024 * 1024, lines: (all) => [["resident", all.memory_bytes]] },
]);
const sessions = new Sessions();
const session = new SessionView(sessions);

let next = 0;
let server;

function state(kind, text) {
  find("state").dataset.state = kind;
  if (find("state").textContent !== text) find("state").textContent = text;
}

/** A number with its name, and what is to be said of it. */
function tile(name, value, more = "") {
  const tile = document.createElement("div"), term = document.createElement("dt"), number = document.createElement("dd");
  term.textContent = name;
  number.textContent = value;
  if (more) {
    const small = document.createElement("small");
    small.textContent = more;
    number.append(small);
  }
  tile.append(term, number);
  return tile;
}

function numbers(status) {
  const last = (name) => board.history[name]?.at(-1) ?? 0;
  const sum = (counts) => Object.values(counts).reduce((all, count) => all + count, 0);
  find("numbers").replaceChildren(
    tile("Sessions", show.count(status.sessions + status.outbound), `room for ${show.count(status.most_sessions)}`),
    tile("Accepted", show.rate(last("accepted")), `${show.count(status.accepted)} in all`),
    tile("Refused", show.count(sum(status.refused)), "in all"),
    tile("In", show.byteRate(last("received_bytes")), `${show.bytes(status.received_bytes)} in all`),
    tile("Out", show.byteRate(last("sent_bytes")), `${show.bytes(status.sent_bytes)} in all`),
    tile("Queued", show.bytes(status.queued_bytes), "for peers"),
    tile("Turn", show.time(last("turn_99th")), "99 of 100 under"),
    tile("Memory", status.memory_bytes === null ? "–" : show.bytes(status.memory_bytes), "resident"),
  );
}

function told(status) {
  // A server that has been started anew begins with a history of its own.
  const started = `${status.pid} ${status.since}`;
  if (server !== undefined && server !== started) {
    next = 0;
    board.clear();
  }
  server = started;
  document.title = `${status.command} – Proactor`;
  find("name").textContent = `proactor ${status.command}`;
  const shards = status.shards === 1 ? "1 shard" : `${status.shards} shards`;
  find("where").textContent = `${status.addresses.join(", ")} · ${status.backend} · ${shards} · ${status.version} · up ${age(status.uptime_seconds)} · pid ${status.pid}`;
  state(status.ready ? "ready" : "ending", status.ready ? "ready" : "ending");
}

async function history() {
  const columns = await ask(`/history?after=${next}`);
  if (columns.next < next) board.clear();
  next = columns.next;
  if (columns.time.length || !board.length) board.add(columns);
}

/** Asks again and again, each time when the last answer has come. Hidden pages rest. */
async function every(milliseconds, task) {
  for (;;) {
    if (document.hidden) {
      await new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
    }
    try {
      await task();
    } catch (error) {
      state("lost", error.status ? `refused: ${error.message}` : "no answer");
    }
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
  }
}

for (const choice of document.querySelectorAll("input[name=span]")) {
  choice.addEventListener("change", () => board.show(Number(choice.value)));
}

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input[type=search], input[type=password], select") || document.querySelector("dialog[open]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const choice = { 1: 0, 2: 1, 3: 2 }[event.key];
  if (choice !== undefined) {
    const input = document.querySelectorAll("input[name=span]")[choice];
    input.checked = true;
    board.show(Number(input.value));
  } else if (event.key === "/") {
    event.preventDefault();
    find("search").focus();
  }
});

every(2000, async () => {
  const status = await ask("/status");
  told(status);
  await history();
  numbers(status);
  await session.update();
  await nodes(status);
});
every(4000, async () => {
  await sessions.update();
  await sessions.slowest();
});
