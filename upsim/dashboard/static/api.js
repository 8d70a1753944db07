// Every call the page makes, and what is remembered of it. Nothing else here asks the server for anything.
//
// How the page spares its user's rate limit. What it shows is read by `read`, through the control plane's look: the answer
// of GET /v1/… without a request being spent. What changes something goes through /v1 with the account's key, and costs
// what it costs anybody. With `state.viaApi` the reads go through /v1 too: then faults and limits strike the page itself,
// and it no longer refreshes by itself.

export class ApiError extends Error {
  constructor(status, message, call, retryAfter) {
    super(message);
    this.status = status;
    this.call = call;
    this.retryAfter = retryAfter;
  }
}

export const state = {
  about: null,
  world: "default",
  account: null,
  sandbox: false,
  viaApi: false,
  calls: [],
  askToken: null,
  onCall: () => {},
};

const stores = { session: null, local: null };
try {
  stores.session = window.sessionStorage;
  stores.local = window.localStorage;
} catch {
  // Forbidden storage only means that the page remembers nothing.
}

export const remember = (name, value, where = "local") => {
  try {
    if (value === null) stores[where]?.removeItem(`upsim.${name}`);
    else stores[where]?.setItem(`upsim.${name}`, value);
  } catch {
    // A full or forbidden storage is no reason to fail.
  }
};
export const recall = (name, where = "local") => {
  try {
    return stores[where]?.getItem(`upsim.${name}`) ?? null;
  } catch {
    return null;
  }
};

const part = encodeURIComponent;
export const worldPath = (rest = "") => `/_upsim/worlds/${part(state.world)}${rest}`;
export const accountPath = (rest = "") => worldPath(`/accounts/${part(state.account)}${rest}`);

/** A path with its query; what is empty is left out. */
export function target(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

/** What an account would be answered: free, unless reads go through the API. */
export function read(path, query) {
  const call = target(path, query);
  return state.viaApi ? v1("GET", call) : control("GET", target(accountPath("/look"), { call }), undefined, { quiet: true });
}

/** A call of the control plane. */
export async function control(method, path, body, options = {}) {
  const headers = {};
  const token = recall("token", "session");
  if (token) headers["X-Upsim-Token"] = token;
  try {
    return await send({ method, path, body, headers, quiet: options.quiet });
  } catch (error) {
    if (error.status !== 401 || !state.askToken || options.asked) throw error;
    await state.askToken();
    return control(method, path, body, { ...options, asked: true });
  }
}

/** A call of the simulated API, with the account's key. */
export async function v1(method, path, body, options = {}) {
  const account = options.account ?? state.account;
  const key = options.key ?? (await keyOf(account));
  try {
    return await send({ method, path, body, headers: { "X-API-Key": key } });
  } catch (error) {
    // The page's own key may have gone with a reset or been revoked: it gets itself another, once.
    if (error.status !== 401 || options.key || options.again || !error.message.startsWith("API key")) throw error;
    await newKey(account);
    return v1(method, path, body, { ...options, again: true });
  }
}

const keyName = (account) => `key.${state.world}.${account}`;
const issuing = new Map();

/** The key the page calls with: the memorable one of the default world, else one it was given. */
export async function keyOf(account) {
  const known = recall(keyName(account));
  if (known) return known;
  if (state.world === state.about.default_world) {
    const logins = state.about.logins.filter((login) => login.account === account);
    logins.sort((one, other) => other.scopes.length - one.scopes.length);
    if (logins.length) return logins[0].key;
  }
  return newKey(account);
}

function newKey(account) {
  const name = keyName(account);
  if (!issuing.has(name)) {
    const path = worldPath(`/accounts/${part(account)}/keys`);
    const made = control("POST", path, { name: "this dashboard", beyond_quota: true })
      .then((issued) => {
        remember(name, issued.key);
        return issued.key;
      })
      .finally(() => issuing.delete(name));
    issuing.set(name, made);
  }
  return issuing.get(name);
}

/** Remember the keys of a world that was just made. */
export function rememberKeys(world) {
  for (const account of world.accounts ?? []) {
    const usable = account.keys.filter((key) => !key.addresses.length && !key.expires_at);
    usable.sort((one, other) => other.scopes.length - one.scopes.length);
    if (usable.length) remember(`key.${world.id}.${account.name}`, usable[0].key);
  }
}

let number = 0;

async function send({ method, path, body, headers, quiet = false }) {
  const call = { id: (number += 1), method, path, body, headers, quiet, status: null, ms: null, at: new Date() };
  const began = performance.now();
  const sent = { method, headers: { ...headers, Accept: "application/json" }, cache: "no-store" };
  if (body !== undefined) {
    sent.headers["Content-Type"] = "application/json";
    sent.body = JSON.stringify(body);
  }
  let answer;
  let text;
  try {
    answer = await fetch(path, sent);
    text = await answer.text();
  } catch {
    note(call, began, 0);
    throw new ApiError(0, "The connection broke before there was an answer. Is the simulator running, or was it a fault?", call);
  }
  note(call, began, answer.status);
  call.answer = { status: answer.status, headers: answer.headers, text };
  let content = null;
  try {
    content = JSON.parse(text);
  } catch {
    throw new ApiError(answer.status, `The answer (${answer.status}) is not JSON: ${text.slice(0, 80) || "it is empty"}`, call);
  }
  if (!answer.ok) {
    throw new ApiError(answer.status, String(content?.error ?? `Status ${answer.status}`), call, Number(answer.headers.get("Retry-After")) || null);
  }
  if (content && typeof content === "object") Object.defineProperty(content, "call", { value: call });
  return content;
}

function note(call, began, status) {
  call.status = status;
  call.ms = performance.now() - began;
  state.calls.unshift(call);
  state.calls.length = Math.min(state.calls.length, 200);
  state.onCall(call);
}

const quoted = (text) => `'${String(text).replaceAll("'", "'\\''")}'`;

/** The call as curl would make it. The admin token is never written out. */
export function curl({ method, path, body, headers = {} }) {
  const words = ["curl"];
  if (method !== "GET") words.push("-X", method);
  for (const [name, value] of Object.entries(headers)) {
    words.push("-H", name === "X-Upsim-Token" ? '"X-Upsim-Token: $UPSIM_TOKEN"' : quoted(`${name}: ${value}`));
  }
  if (body !== undefined) words.push("-H", quoted("Content-Type: application/json"), "-d", quoted(JSON.stringify(body)));
  words.push(quoted(location.origin + path));
  return words.join(" ");
}

/** The curl of a /v1 call that is still to be made. */
export async function curlOf(method, path, body) {
  return curl({ method, path, body, headers: { "X-API-Key": await keyOf(state.account) } });
}
