// Asks the listener, with the token if it wants one. The token is kept by this tab alone.

const KEY = "proactor-admin-token";
let token = sessionStorage.getItem(KEY) ?? "";
let asking;

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Asks once. Throws a `Refused` with what the server says is wrong. */
async function once(method, path) {
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  const response = await fetch(path, { method, headers, cache: "no-store", signal: AbortSignal.timeout(15_000) });
  const said = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(response.status, said.error ?? `the server answers with ${response.status}`);
  return said;
}

/** Asks, and asks the person for the token if it is missing or wrong. */
export async function ask(path, method = "GET") {
  for (;;) {
    try {
      return await once(method, path);
    } catch (error) {
      if (error.status !== 401) throw error;
      asking ??= askForToken(error.message).finally(() => { asking = undefined; });
      await asking;
    }
  }
}

/** Everybody who asks meanwhile waits for the same answer. */
function askForToken(message) {
  const door = document.getElementById("door");
  const input = document.getElementById("token");
  document.getElementById("door-error").textContent = token ? message : "";
  input.value = "";
  door.showModal();
  input.focus();
  return new Promise((resolve) => {
    // Without a token there is nothing to see: Escape does not close it for long.
    door.onclose = () => door.showModal();
    document.getElementById("door-form").onsubmit = () => {
      token = input.value.trim();
      sessionStorage.setItem(KEY, token);
      door.onclose = null;
      resolve();
    };
  });
}
