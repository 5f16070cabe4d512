// A session that outlives its connections, in a browser: docs/resume.md has the protocol. A packet has its length
// in four bytes before it, as with `LengthPrefixed::u32()`.
//     const session = new ResumeSocket("wss://example.org/ws", {
//       packet: (bytes) => console.log(new TextDecoder().decode(bytes)),
//       state: (what, why) => console.log(what, why), // "began", "resumed", "afresh", "lost", "ended"
//     });
//     session.send("hello"); // kept until the server has confirmed it

const DATA = 0x10, ACK = 0x11, END = 0x12;
const REASONS = ["", "no such session", "another server", "out of the window", "cannot move", "another node", "no answer"];
const FIRST_WAIT_MS = 100, LONGEST_WAIT_MS = 5000, LONGEST_MESSAGE = 16384, NOTHING = new Uint8Array(0);

function joined(...pieces) {
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  pieces.reduce((at, piece) => (all.set(piece, at), at + piece.length), 0);
  return all;
}
const view = (bytes) => new DataView(bytes.buffer, bytes.byteOffset), read32 = (bytes, at) => view(bytes).getUint32(at);
const read64 = (bytes, at) => Number(view(bytes).getBigUint64(at));
const write32 = (number) => { const bytes = new Uint8Array(4); view(bytes).setUint32(0, number); return bytes; };
const write64 = (number) => { const bytes = new Uint8Array(8); view(bytes).setBigUint64(0, BigInt(number)); return bytes; };

export class ResumeSocket {
  #url; #on; #socket = null; #isOpen = false; #isOver = false;
  #token = null; #window = 60000; #keep = 16384; #lostAt = Date.now(); #wait = FIRST_WAIT_MS;
  #kept = NOTHING; #confirmed = 0; #hasEnded = false; // the client's stream
  #received = 0; #told = 0; #packet = NOTHING; // the server's stream
  #came = NOTHING; #left = 0; // what the connection has brought, and what is left of a record

  constructor(url, on) {
    [this.#url, this.#on] = [url, on];
    this.#connect();
  }

  // Sends a packet, a text or bytes, now or when there is a connection.
  send(packet) {
    if (this.#hasEnded) throw new Error("the session is closed");
    const bytes = typeof packet === "string" ? new TextEncoder().encode(packet) : packet;
    const frame = joined(write32(bytes.length), bytes);
    this.#kept = joined(this.#kept, frame);
    if (this.#isOpen) this.#say(frame);
  }

  // Bytes that the server has not confirmed. Nothing else limits what is kept.
  get unconfirmed() { return this.#kept.length; }

  // Ends the session, behind what was sent.
  close() {
    this.#hasEnded = true;
    if (this.#isOpen) this.#socket.send(Uint8Array.of(END));
  }

  // Loses the connection, as a network does: for tests.
  cut() {
    const socket = this.#socket;
    socket?.close();
    this.#lose(socket);
  }

  #connect() {
    const socket = this.#socket = new WebSocket(this.#url);
    socket.binaryType = "arraybuffer";
    [this.#isOpen, this.#came, this.#left] = [false, NOTHING, 0];
    socket.onopen = () => {
      const asked = this.#token ? joined(Uint8Array.of(1), this.#token, write64(this.#received)) : Uint8Array.of(0);
      if (socket === this.#socket) socket.send(joined(new TextEncoder().encode("PRS1"), asked));
    };
    socket.onmessage = (event) => { if (socket === this.#socket) this.#take(new Uint8Array(event.data)); };
    socket.onclose = socket.onerror = () => this.#lose(socket);
  }

  #lose(socket) {
    if (!socket || socket !== this.#socket || this.#isOver) return;
    if (this.#isOpen) this.#lostAt = Date.now();
    [this.#socket, this.#isOpen] = [null, false];
    if (Date.now() - this.#lostAt > this.#window) return this.#end("lost", "there was no connection within the window");
    setTimeout(() => this.#connect(), this.#wait * (0.5 + Math.random())); // not all clients at once
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT_MS);
  }

  #end(what, why) {
    this.#isOver = this.#hasEnded = true;
    this.#socket?.close();
    this.#on.state?.(what, why);
  }

  #take(bytes) {
    this.#came = joined(this.#came, bytes);
    if (!this.#isOpen && !this.#isAnswered()) return;
    while (this.#came.length > 0 && !this.#isOver) {
      const [kind, length] = [this.#came[0], this.#came.length];
      if (this.#left > 0) {
        const piece = this.#shift(Math.min(this.#left, length));
        [this.#left, this.#received] = [this.#left - piece.length, this.#received + piece.length];
        this.#unpack(piece);
      } else if (kind === DATA && length >= 5) this.#left = read32(this.#shift(5), 1);
      else if (kind === ACK && length >= 9) this.#confirm(read64(this.#shift(9), 1));
      else if (kind === DATA || kind === ACK) break;
      else if (kind === END) this.#end("ended");
      else this.#end("lost", "the server broke the protocol");
    }
    if (this.#isOpen && this.#received - this.#told >= this.#keep / 16) this.#socket.send(this.#acknowledged());
  }

  // Takes the answer to the hello. Says whether it has come.
  #isAnswered() {
    const came = this.#came, kind = came[4], at = kind === 2 ? 6 : 5, goesOn = kind === 1 || kind === 3;
    if (came.length < 5 || came.length < ([45, 13, 46, 45][kind] ?? 0)) return false;
    if (new TextDecoder().decode(came.subarray(0, 4)) !== "PRS1" || kind > 3) {
      this.#end("lost", "the server speaks another protocol");
      return false;
    }
    if (kind === 2) [this.#kept, this.#packet, this.#confirmed, this.#received] = [NOTHING, NOTHING, 0, 0];
    if (goesOn) this.#confirm(read64(came, at));
    if (kind === 3) this.#token = came.slice(13, 45); // it came from another node
    if (!goesOn) [this.#token, this.#window, this.#keep] = [came.slice(at, at + 32), read32(came, at + 32), read32(came, at + 36)];
    this.#shift([45, 13, 46, 45][kind]);
    [this.#isOpen, this.#told, this.#wait] = [true, this.#received, FIRST_WAIT_MS];
    this.#say(this.#kept);
    if (this.#hasEnded) this.#socket.send(Uint8Array.of(END));
    this.#on.state?.(["began", "resumed", "afresh", "resumed"][kind], kind === 2 ? REASONS[came[5]] ?? REASONS[1] : undefined);
    return this.#isOpen;
  }

  #say(bytes) {
    for (let at = 0; at < bytes.length; at += LONGEST_MESSAGE) {
      const piece = bytes.subarray(at, at + LONGEST_MESSAGE);
      this.#socket.send(joined(this.#acknowledged(), Uint8Array.of(DATA), write32(piece.length), piece));
    }
  }
  #acknowledged() {
    if (this.#told === this.#received) return NOTHING;
    this.#told = this.#received;
    return joined(Uint8Array.of(ACK), write64(this.#received));
  }
  #shift(count) {
    const piece = this.#came.subarray(0, count);
    this.#came = this.#came.subarray(count);
    return piece;
  }
  #confirm(has) { [this.#kept, this.#confirmed] = [this.#kept.slice(has - this.#confirmed), has]; }
  #unpack(piece) {
    this.#packet = joined(this.#packet, piece);
    while (this.#packet.length >= 4 && this.#packet.length >= 4 + read32(this.#packet, 0)) {
      const end = 4 + read32(this.#packet, 0), packet = this.#packet.slice(4, end);
      this.#packet = this.#packet.slice(end);
      this.#on.packet?.(packet);
    }
  }
}
