// The nodes of the server's cluster, if it is one of them.

import { ask } from "/ask.js";
import { show } from "/plots.js";
import { age } from "/sessions.js";

const count = (value) => (value === null ? "–" : show.count(value));

const COLUMNS = [
  { label: "Node", text: (node) => node.name, long: true, wide: true },
  { label: "State", text: state },
  { label: "Sessions", text: (node) => count(node.sessions), number: true },
  { label: "Keys", text: (node) => count(node.keys), number: true },
  { label: "Shards", text: (node) => count(node.shards), number: true },
  { label: "Up", text: (node) => age(node.uptime_seconds), number: true },
  { label: "Waiting", text: (node) => count(node.queued_messages), number: true },
  { label: "Bytes", text: (node) => (node.queued_bytes === null ? "–" : show.bytes(node.queued_bytes)), number: true },
  { label: "Missed", text: (node) => count(node.missed), number: true },
  { label: "Unpublished", text: (node) => count(node.unpublished), number: true },
  { label: "Interrupted", text: (node) => count(node.interruptions), number: true },
];

function state(node) {
  if (node.draining) return "drains";
  return node.this ? "this one" : `heard ${age(node.silent_seconds)} ago`;
}

const find = (id) => document.getElementById(id);

function cell(kind, column, text) {
  const cell = document.createElement(kind), span = document.createElement("span");
  span.textContent = text;
  cell.dataset.label = column.label;
  cell.className = [column.number && "number", column.long && "long", column.wide && "wide"].filter(Boolean).join(" ");
  if (kind === "th") cell.scope = "col";
  cell.append(span);
  return cell;
}

export async function nodes(status) {
  const section = find("cluster");
  section.hidden = status.node === null;
  if (section.hidden) return;
  const cluster = await ask("/cluster");
  const head = document.querySelector("#nodes thead tr");
  if (!head.children.length) head.replaceChildren(...COLUMNS.map((column) => cell("th", column, column.label)));
  document.querySelector("#nodes tbody").replaceChildren(...cluster.nodes.map((node) => {
    const row = document.createElement("tr");
    row.dataset.node = node.name;
    row.replaceChildren(...COLUMNS.map((column) => cell("td", column, column.text(node))));
    return row;
  }));
}
