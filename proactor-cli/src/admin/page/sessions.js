// The slowest members, and the table of sessions: searched, sorted, paged, and closed from.

import { ask } from "/ask.js";
import { show } from "/plots.js";

const ROWS = 50;
const SLOWEST = 5;

const COLUMNS = [
  { label: "Peer", sort: "peer", text: (row) => row.peer, long: true, wide: true },
  { label: "Key", sort: "key", text: (row) => row.key ?? "–", long: true },
  { label: "Listener", text: (row) => row.listener ?? "outbound", long: true },
  { label: "Age", sort: "age", text: (row) => age(row.age_seconds), number: true, title: (row) => `since ${row.since}` },
  { label: "Received", sort: "received", text: (row) => bytes(row.received_bytes), number: true },
  { label: "Sent", sort: "sent", text: (row) => bytes(row.sent_bytes), number: true },
  { label: "Queued", sort: "queued", text: (row) => bytes(row.queued_bytes), number: true },
  { label: "Held", text: holds },
  { label: "Groups", text: groups, long: true, wide: true },
  { label: "Id", sort: "id", text: (row) => row.id, address: (row) => addressOf(row.id) },
];

/** Where on this page the session is. */
function addressOf(id) {
  return `#session=${id}`;
}

export function bytes(value) {
  return value === null || value === undefined ? "–" : show.bytes(value);
}

export function holds(row) {
  return row.holds.join(", ").replaceAll("_", " ") || "–";
}

export function groups(row) {
  const nameless = row.groups - row.group_names.length;
  const names = nameless > 0 ? [...row.group_names, `${nameless} without a name`] : row.group_names;
  return names.join(", ") || "–";
}

export function age(seconds) {
  const units = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];
  const first = units.findIndex(([, size]) => seconds >= size);
  if (first < 0) return "0s";
  let rest = Math.floor(seconds);
  return units.slice(first, first + 2).map(([unit, size]) => {
    const count = Math.floor(rest / size);
    rest -= count * size;
    return count || unit === units[first][0] ? `${count}${unit}` : "";
  }).filter(Boolean).join(" ");
}

const find = (id) => document.getElementById(id);

export class Sessions {
  constructor() {
    this.sort = "-queued";
    this.offset = 0;
    this.total = 0;
    this.rows = new Map();
    this.asked = 0;
    this.head();
    let waiting;
    find("search").addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => this.first(), 200);
    });
    find("filter").addEventListener("submit", (event) => {
      event.preventDefault();
      this.first();
    });
    find("hold").addEventListener("change", () => this.first());
    find("earlier").addEventListener("click", () => this.turn(-ROWS));
    find("later").addEventListener("click", () => this.turn(ROWS));
  }

  head() {
    const cells = COLUMNS.map((column) => {
      const cell = document.createElement("th");
      cell.scope = "col";
      if (column.number) cell.className = "number";
      if (!column.sort) {
        cell.textContent = column.label;
        return cell;
      }
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = column.label;
      button.addEventListener("click", () => {
        // Numbers begin with the largest, texts with the first.
        const before = this.sort.replace("-", "") === column.sort ? this.sort : "";
        const first = column.number ? `-${column.sort}` : column.sort;
        const second = column.number ? column.sort : `-${column.sort}`;
        this.sort = before === first ? second : first;
        this.first();
      });
      cell.append(button);
      cell.dataset.sort = column.sort;
      return cell;
    });
    const close = document.createElement("th");
    close.scope = "col";
    const hidden = document.createElement("span");
    hidden.className = "unseen";
    hidden.textContent = "Close";
    close.append(hidden);
    document.querySelector("#sessions thead tr").replaceChildren(...cells, close);
  }

  first() {
    this.offset = 0;
    return this.update();
  }

  turn(rows) {
    this.offset = Math.max(this.offset + rows, 0);
    return this.update();
  }

  async update() {
    const asked = (this.asked += 1);
    const wanted = new URLSearchParams({ sort: this.sort, limit: ROWS, offset: this.offset });
    const search = find("search").value.trim(), hold = find("hold").value;
    if (search) wanted.set("search", search);
    if (hold) wanted.set("hold", hold);
    try {
      const page = await ask(`/sessions?${wanted}`);
      // Somebody has asked for something else meanwhile.
      if (asked !== this.asked) return;
      find("sessions-error").textContent = "";
      if (this.offset > 0 && !page.sessions.length) {
        await this.first();
        return;
      }
      this.fill(page);
    } catch (error) {
      if (asked === this.asked) find("sessions-error").textContent = error.message;
    }
  }

  /** Rows stay what they are while their sessions do, so that the focus does. */
  fill(page) {
    this.total = page.total;
    const before = this.rows;
    this.rows = new Map();
    for (const session of page.sessions) {
      const row = before.get(session.id) ?? this.row(session.id);
      row.session = session;
      COLUMNS.forEach((column, index) => {
        const shown = row.cells[index].firstChild, text = column.text(session);
        if (shown.textContent !== text) shown.textContent = text;
        row.cells[index].title = column.title?.(session) ?? (column.long ? text : "");
      });
      this.rows.set(session.id, row);
    }
    const body = document.querySelector("#sessions tbody"), focused = document.activeElement;
    for (const [id, row] of before) {
      if (!this.rows.has(id)) row.remove();
    }
    [...this.rows.values()].forEach((row, place) => {
      if (body.children[place] !== row) body.insertBefore(row, body.children[place] ?? null);
    });
    // A row that was moved has lost it.
    if (focused !== document.activeElement && body.contains(focused)) focused.focus({ preventScroll: true });
    for (const cell of document.querySelectorAll("#sessions th[data-sort]")) {
      const is = this.sort.replace("-", "") === cell.dataset.sort;
      if (is) cell.setAttribute("aria-sort", this.sort.startsWith("-") ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    }
    const last = this.offset + page.sessions.length;
    find("page").textContent = page.total ? `${this.offset + 1}–${last} of ${page.total}` : "no session passes";
    find("earlier").disabled = this.offset === 0;
    find("later").disabled = last >= page.total || last > 10_000;
  }

  row(id) {
    const row = document.createElement("tr");
    row.dataset.id = id;
    for (const column of COLUMNS) {
      const cell = row.insertCell();
      cell.dataset.label = column.label;
      cell.className = [column.number && "number", column.long && "long", column.wide && "wide"].filter(Boolean).join(" ");
      const shown = document.createElement(column.address ? "a" : "span");
      if (column.address) {
        shown.href = column.address({ id });
        shown.title = "What is known of it, and what happened to it";
      }
      cell.append(shown);
    }
    const button = document.createElement("button");
    button.type = "button";
    button.className = "quiet";
    button.textContent = "Close";
    button.setAttribute("aria-label", `Close session ${id}`);
    button.addEventListener("click", () => this.close(row.session));
    const last = row.insertCell();
    last.className = "wide";
    last.append(document.createElement("span"), button);
    return row;
  }

  /** Asks whether to close a session, and calls `closed` when it is being closed. */
  close(session, closed = () => {}) {
    const dialog = find("closing");
    const name = session.key === null ? session.peer : `${session.key} at ${session.peer}`;
    find("closing-what").textContent = `${session.id}: ${name}, here for ${age(session.age_seconds)}, ${bytes(session.queued_bytes)} queued.`;
    dialog.returnValue = "";
    dialog.onclose = async () => {
      if (!dialog.returnValue) return;
      try {
        await ask(`/sessions/${session.id}/close?how=${dialog.returnValue}`, "POST");
        find("sessions-error").textContent = "";
      } catch (error) {
        find("sessions-error").textContent = error.message;
        return;
      }
      closed();
      await this.update();
    };
    dialog.showModal();
  }

  async slowest() {
    const { sessions } = await ask(`/sessions?sort=-queued&min_queued=1&limit=${SLOWEST}`);
    const most = Math.max(...sessions.map((session) => session.queued_bytes), 1);
    find("nobody").hidden = sessions.length > 0;
    find("slow").replaceChildren(...sessions.map((session) => {
      const item = document.createElement("li");
      const who = document.createElement("a"), much = document.createElement("span"), meter = document.createElement("meter");
      who.className = "who";
      who.href = addressOf(session.id);
      who.textContent = [session.key, session.peer, session.holds.length && holds(session)].filter(Boolean).join(" · ");
      much.className = "much";
      much.textContent = show.bytes(session.queued_bytes);
      meter.max = most;
      meter.value = session.queued_bytes;
      meter.setAttribute("aria-hidden", "true");
      item.append(who, much, meter);
      return item;
    }));
  }
}
