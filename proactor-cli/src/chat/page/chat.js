"use strict";

// A page for `proactor chat --http`. It speaks the subprotocol `proactor.chat`: docs/chat.md in the
// repository. What others wrote is put into the page as text only.

const PROTOCOL = "proactor.chat";
const MOST_ENTRIES = 500;
const TONES = 8;
// Seconds between attempts to connect: twice as many each time, up to the most.
const FIRST_PAUSE = 0.5;
const LONGEST_PAUSE = 20;

const at = (id) => document.getElementById(id);

// With it, a connection of this page takes the place of an earlier one that the server still has.
const key = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

let me = null; // { name, room } once they were asked for
let isIn = false;
let socket = null;
let attempts = 0;
let timer = 0;
let lostAt = 0;
let unsent = "";
let unread = 0;
let lastSpeaker = "";
const people = new Map(); // by name in small letters

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

const folded = (name) => name.toLowerCase();

function tone(name) {
  let hash = 0;
  for (const sign of folded(name)) hash = (hash * 31 + sign.codePointAt(0)) >>> 0;
  return `tone-${hash % TONES}`;
}

// The connection

function connect() {
  clearTimeout(timer);
  const url = new URL("/ws", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const made = new WebSocket(url, PROTOCOL);
  socket = made;
  made.onopen = () => tell({ type: "enter", name: me.name, room: me.room, key });
  made.onmessage = (event) => {
    if (made === socket) hear(JSON.parse(event.data));
  };
  made.onclose = (event) => {
    if (made === socket) lose(event.reason);
  };
}

function tell(message) {
  socket.send(JSON.stringify(message));
}

function lose(reason) {
  socket = null;
  if (!me) return;
  if (!isIn && !lostAt) {
    me = null;
    show("door", reason || "The server does not answer. Is it running?");
    return;
  }
  if (isIn) {
    isIn = false;
    lostAt = Date.now();
    at("send").disabled = true;
  }
  const pause = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** attempts) * (0.5 + Math.random() / 2);
  attempts += 1;
  wait(Date.now() + pause * 1000);
}

function wait(until) {
  const left = Math.ceil((until - Date.now()) / 1000);
  if (left <= 0) {
    report("Connection lost. Trying to connect…");
    connect();
    return;
  }
  // A screen reader hears of the loss once, and not of every second.
  if (at("connection").hidden) report("Connection lost.");
  at("status").dataset.left = left;
  if (left > 1) at("status").textContent = `Connection lost. Trying again in ${left} seconds.`;
  at("retry").hidden = false;
  timer = setTimeout(wait, Math.min(1000, until - Date.now()), until);
}

function report(text) {
  at("connection").hidden = !text;
  at("status").textContent = text;
  at("retry").hidden = true;
}

// What the server says

const heard = {
  room({ name, room, people: names, guests }) {
    me = { name, room };
    attempts = 0;
    people.clear();
    for (const one of names) people.set(folded(one), one);
    const wasAway = lostAt > 0;
    isIn = true;
    at("send").disabled = false;
    at("room-title").textContent = room;
    at("me").textContent = `You are ${name}`;
    report("");
    list(guests);
    show("house");
    retitle();
    if (wasAway) {
      const seconds = Math.max(1, Math.round((Date.now() - lostAt) / 1000));
      note(`You are back after ${seconds} s. What was said meanwhile is not here.`);
      lostAt = 0;
    } else {
      at("log").replaceChildren();
      lastSpeaker = "";
      note(`You have entered ${room}.`);
      at("text").focus();
    }
    remember("name", name);
    history.replaceState(null, "", `#${encodeURIComponent(room)}`);
  },
  presence({ joined, left, guests }) {
    if (joined) {
      people.set(folded(joined), joined);
      // In a cluster, one's own coming is told too.
      if (folded(joined) !== folded(me.name)) note(`${joined} has come.`);
    }
    if (left) {
      people.delete(folded(left));
      note(`${left} has left.`);
    }
    list(guests);
  },
  text({ name, text }) {
    said(name, text);
  },
  refused({ reason, text }) {
    if (reason.startsWith("text")) {
      at("error").textContent = text;
      if (!at("text").value) at("text").value = unsent;
      return;
    }
    leave(text);
  },
};

function hear(message) {
  // A newer server may say more.
  if (Object.hasOwn(heard, message.type)) heard[message.type](message);
}

// The page

function show(which, error = "") {
  at("door").hidden = which !== "door";
  at("house").hidden = which !== "house";
  at("door-error").textContent = error;
  at("enter").querySelector("button").disabled = false;
  at("enter").querySelector("button").textContent = "Enter";
  if (which === "door") {
    document.title = "Proactor chat";
    at("name").focus();
  }
}

function list(guests) {
  const names = [...people.values()].sort((one, other) => one.localeCompare(other));
  const entry = (name) => {
    const made = element("li", tone(name), name);
    made.dir = "auto";
    if (name === me.name) made.append(element("span", "you", " (you)"));
    return made;
  };
  at("people").replaceChildren(...names.map(entry));
  at("count").textContent = names.length + guests;
  at("guests").hidden = guests === 0;
  at("guests").textContent = guests === 1 ? "and one guest without a name" : `and ${guests} guests without a name`;
}

function append(entry) {
  const log = at("log");
  const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
  log.append(entry);
  while (log.childElementCount > MOST_ENTRIES) log.firstElementChild.remove();
  if (isAtEnd) log.scrollTop = log.scrollHeight;
  else if (entry.classList.contains("said")) at("newest").hidden = false;
}

function note(text) {
  lastSpeaker = "";
  append(element("li", "note", text));
}

function said(name, text) {
  // A name has no colon, so no one is called this.
  const speaker = name ?? ":guest";
  const entry = element("li", name ? `said ${tone(name)}` : "said guest");
  if (speaker !== lastSpeaker) entry.classList.add("first");
  lastSpeaker = speaker;
  const who = element("span", "who", name ?? "guest");
  const what = element("span", "what", text);
  who.dir = what.dir = "auto";
  const now = new Date();
  const when = element("time", "when", now.toLocaleTimeString([], { hour: "numeric", minute: "2-digit" }));
  when.dateTime = now.toISOString();
  entry.append(who, element("span", "unseen", ": "), what, when);
  append(entry);
  if (name === me.name) at("log").scrollTop = at("log").scrollHeight;
  if (document.hidden) {
    unread += 1;
    retitle();
  }
}

function retitle() {
  document.title = `${unread ? `(${unread}) ` : ""}${me.room} – Proactor chat`;
}

function leave(error) {
  const left = socket;
  clearTimeout(timer);
  me = socket = null;
  isIn = false;
  lostAt = attempts = 0;
  left?.close(1000);
  report("");
  show("door", error);
}

function remember(what, value) {
  try {
    localStorage.setItem(`proactor.${what}`, value);
  } catch {
    // The browser keeps nothing; then the name is asked for.
  }
}

function remembered(what) {
  try {
    return localStorage.getItem(`proactor.${what}`) ?? "";
  } catch {
    return "";
  }
}

at("enter").addEventListener("submit", (event) => {
  event.preventDefault();
  const tidy = (id) => at(id).value.normalize("NFC").trim().replace(/\s+/g, " ");
  const [name, room] = [tidy("name"), tidy("room")];
  if (!name || !room) {
    at("door-error").textContent = name ? "Say which room." : "Say your name.";
    at(name ? "room" : "name").focus();
    return;
  }
  me = { name, room };
  at("door-error").textContent = "";
  at("enter").querySelector("button").disabled = true;
  at("enter").querySelector("button").textContent = "Entering…";
  connect();
});

at("compose").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = at("text").value.normalize("NFC").trim().replace(/\s/g, " ");
  if (!text || !isIn) return;
  at("error").textContent = "";
  unsent = at("text").value;
  tell({ type: "text", text });
  at("text").value = "";
});

at("leave").addEventListener("click", () => leave(""));
at("retry").addEventListener("click", () => {
  at("text").focus();
  wait(0);
});
at("newest").addEventListener("click", () => {
  at("log").scrollTop = at("log").scrollHeight;
  at("text").focus();
});
at("log").addEventListener("scroll", () => {
  const log = at("log");
  if (log.scrollHeight - log.scrollTop - log.clientHeight < 60) at("newest").hidden = true;
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden || !me) return;
  unread = 0;
  if (isIn) retitle();
});
// The network is back: no need to wait.
addEventListener("online", () => {
  if (me && !socket) wait(0);
});

const narrow = matchMedia("(max-width: 44rem)");
const fold = () => {
  at("people-box").open = !narrow.matches;
};
narrow.addEventListener("change", fold);
fold();
// On a wide window the list of people is always open.
at("people-box").addEventListener("toggle", () => {
  if (!narrow.matches) at("people-box").open = true;
});

at("name").value = remembered("name");
try {
  at("room").value = decodeURIComponent(location.hash.slice(1)) || "lobby";
} catch {
  // No address of ours.
}
at("name").focus();
