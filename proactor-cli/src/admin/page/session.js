// One session: what is known of it and what happened to it, also when it has ended. The page's
// address names it, so that it can be passed on.

import { ask } from "/ask.js";
import { show } from "/plots.js";
import { age, bytes, groups, holds } from "/sessions.js";

/** Of a history that is longer, the newest are shown. */
const MOST_EVENTS = 500;

const FACTS = [
  ["Peer", (session) => session.peer],
  ["Key", (session) => session.key],
  ["Listener", (session) => session.listener ?? "outbound"],
  ["Since", (session) => `${new Date(session.since).toLocaleString()}, ${age(session.age_seconds)}`],
  ["Received", (session) => bytes(session.received_bytes)],
  ["Sent", (session) => bytes(session.sent_bytes)],
  ["Queued", (session) => bytes(session.queued_bytes)],
  ["Held", holds],
  ["Groups", groups],
];

const find = (id) => document.getElementById(id);

/** Drops that follow each other are one event: a slow peer has thousands. */
function runs(history) {
  const all = [];
  for (const event of history) {
    const last = all.at(-1);
    if (event.event === "dropped" && last?.event === "dropped") {
      last.count += event.count;
      last.times += 1;
      last.text = `${last.count} packets dropped, in ${last.times} turns: the peer is too slow`;
    } else {
      all.push({ ...event, times: 1 });
    }
  }
  return all;
}

function element(name, text, className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

/** A session as it is, or the last events of one that has ended. */
async function look(id) {
  try {
    const session = await ask(`/sessions/${id}`);
    return { session, history: session.history };
  } catch (error) {
    if (error.status !== 404) throw error;
    // A server that records nothing refuses this, and knows nothing of sessions that have ended.
    const { events } = await ask(`/flight?session=${id}`).catch(() => ({ events: [] }));
    if (!events.length) throw error;
    return { session: null, history: events };
  }
}

export class SessionView {
  constructor(sessions) {
    this.dialog = find("session");
    addEventListener("hashchange", () => this.follow());
    this.dialog.addEventListener("close", () => {
      // It was closed by hand: the address names nothing any more.
      if (this.id) history.replaceState(null, "", location.pathname);
      this.id = undefined;
    });
    find("session-close").addEventListener("click", () => sessions.close(this.session, () => this.update()));
    this.follow();
  }

  /** Shows the session that the address names. */
  follow() {
    const id = location.hash.match(/^#session=(\d+\.\d+\.\d+)$/)?.[1];
    if (this.id === id) return;
    this.id = id;
    if (!id) {
      this.dialog.close();
      return;
    }
    find("session-title").textContent = `Session ${id}`;
    this.fill({ session: null, history: [] }, "");
    if (!this.dialog.open) this.dialog.showModal();
    this.update();
  }

  async update() {
    const id = this.id;
    if (!id) return;
    try {
      const found = await look(id);
      // Another one is looked at meanwhile.
      if (this.id === id) this.fill(found, found.session ? "" : "It has ended.");
    } catch (error) {
      if (this.id === id) this.fill({ session: null, history: [] }, error.message);
    }
  }

  fill({ session, history }, state) {
    this.session = session;
    find("session-state").textContent = state;
    find("session-close").hidden = !session;
    find("session-facts").hidden = !session;
    this.facts(session);
    find("session-silent").hidden = history !== null;
    this.events(history ?? []);
  }

  /** Texts that are what they were stay, so that they can be selected. */
  facts(session) {
    const list = find("session-facts");
    if (!session) {
      list.replaceChildren();
      return;
    }
    FACTS.forEach(([name, text], place) => {
      let fact = list.children[place];
      if (!fact) {
        fact = document.createElement("div");
        fact.append(element("dt", name), document.createElement("dd"));
        list.append(fact);
      }
      const told = text(session) ?? "–";
      if (fact.lastChild.textContent !== told) fact.lastChild.textContent = told;
    });
  }

  /** The oldest event first. */
  events(history) {
    const begin = history[0]?.seconds, newest = `${this.id} ${history.length} ${begin} ${history.at(-1)?.seconds}`;
    if (this.newest === newest) return;
    this.newest = newest;
    const told = runs(history), shown = told.slice(-MOST_EVENTS);
    find("session-history").hidden = !shown.length;
    find("session-more").textContent = told.length > shown.length ? `The last ${shown.length} of ${told.length} events.` : "";
    find("session-events").replaceChildren(...shown.map((event) => {
      const row = document.createElement("tr");
      row.dataset.event = event.event;
      const time = element("td", new Date(event.time).toLocaleTimeString(), "number");
      time.title = event.time;
      row.append(time, element("td", `+${show.time(event.seconds - begin)}`, "number"), element("td", event.text));
      return row;
    }));
  }
}
