// The shell around every page: which world and account are looked at, which page is open, and when it refreshes.

import { control, recall, remember, state, target, worldPath } from "./api.js";
import { callsPanel } from "./calls.js";
import { h, icon, render } from "./dom.js";
import { count, moment } from "./format.js";
import { journalPage } from "./pages/journal.js";
import { overviewPage } from "./pages/overview.js";
import { minersPage } from "./pages/miners.js";
import { poolsPage } from "./pages/pools.js";
import { goneWorld, landing } from "./pages/landing.js";
import { profilesPage } from "./pages/profiles.js";
import { settingsPage } from "./pages/settings.js";
import { simulatorPage } from "./pages/simulator.js";
import { workerPage } from "./pages/worker.js";
import { workersPage } from "./pages/workers.js";
import { worldsPage } from "./pages/worlds.js";
import { badge, copy, field, formDialog, iconButton, problem, select } from "./ui.js";

const PAGES = [
  { path: "/overview", title: "Overview", icon: "overview", make: overviewPage, group: "Proxy" },
  { path: "/workers", title: "Workers", icon: "workers", make: workersPage, group: "Proxy" },
  { path: "/miners", title: "Miners", icon: "miners", make: minersPage, group: "Proxy" },
  { path: "/pools", title: "Pools", icon: "pools", make: poolsPage, group: "Proxy" },
  { path: "/profiles", title: "Profiles", icon: "profiles", make: profilesPage, group: "Proxy" },
  { path: "/settings", title: "Settings", icon: "settings", make: settingsPage, group: "Proxy" },
  { path: "/simulator", title: "Clock & faults", icon: "simulator", make: simulatorPage, group: "Simulator" },
  { path: "/journal", title: "Journal", icon: "journal", make: journalPage, group: "Simulator" },
  { path: "/worlds", title: "Worlds", icon: "worlds", make: worldsPage, group: "Simulator" },
];
const POLL_MS = 5000;

const shell = { world: null, accounts: [], error: null, menu: false, calls: false, paused: recall("paused") === "yes", lost: false };
let open = null; // the page that is shown: {spec, page, data, error, serial}
let serial = 0;

// Which page -------------------------------------------------------------------------------------------------------------

function route() {
  const [path, query] = (location.hash.replace(/^#/, "") || "/overview").split("?");
  const single = path.match(/^\/workers\/([0-9a-fA-F]{24})$/);
  const spec = single ? { ...PAGES[1], title: "Worker", make: workerPage } : (PAGES.find((one) => one.path === path) ?? PAGES[0]);
  return { spec, path, id: single?.[1], query: Object.fromEntries(new URLSearchParams(query ?? "")) };
}

function go(path, query = {}) {
  location.hash = target(path, query);
}

/** What the page was asked for by its address; changing it keeps the page and its state. */
function follow() {
  const wanted = route();
  const same = open && open.path === wanted.path && open.id === wanted.id && open.world === state.world && open.account === state.account;
  if (!same) {
    serial += 1;
    open = { ...wanted, serial, world: state.world, account: state.account, data: null, error: null };
    const mine = open;
    const context = {
      get query() {
        return mine.query;
      },
      id: wanted.id,
      shell,
      go,
      redraw: () => mine === open && draw(),
      refresh: () => refresh(),
      refreshAll: () => refreshShell().then(refresh),
      switchWorld,
      switchAccount,
      now: worldNow,
    };
    open.page = wanted.spec.make(context);
    document.title = `${wanted.spec.title} · upsim`;
  } else {
    open.query = wanted.query;
  }
  shell.menu = false;
  draw();
  refresh();
  return !same;
}

async function refresh() {
  const mine = open;
  if (!mine || !state.account) return;
  mine.asked = (mine.asked ?? 0) + 1;
  const turn = mine.asked;
  try {
    const data = await mine.page.load();
    // An answer that was overtaken by a later one is forgotten.
    if (mine !== open || turn < (mine.shown ?? 0)) return;
    mine.shown = turn;
    mine.data = data;
    mine.error = null;
  } catch (error) {
    if (mine !== open) return;
    mine.error = error;
  }
  draw();
}

async function refreshShell() {
  const asked = state.world;
  try {
    const [world, accounts] = await Promise.all([
      control("GET", worldPath(), undefined, { quiet: true }),
      control("GET", worldPath("/accounts"), undefined, { quiet: true }),
    ]);
    if (asked !== state.world) return;
    shell.world = world;
    shell.accounts = accounts.data;
    shell.error = null;
    shell.lost = false;
    shell.readAt = performance.now();
    const names = shell.accounts.map((account) => account.name);
    if (!names.includes(state.account)) switchAccount(names.includes(recall("account")) ? recall("account") : (names[0] ?? null));
  } catch (error) {
    if (asked !== state.world) return;
    shell.lost = error.status === 0;
    shell.error = error;
  }
  draw();
}

function switchAccount(name) {
  state.account = name;
  if (name) remember("account", name);
  follow();
}

async function switchWorld(id) {
  state.world = id;
  state.account = null;
  shell.world = null;
  open = null;
  remember("world", id, "session");
  await refreshShell();
  if (shell.error?.status === 404 && id !== state.about.default_world && !state.sandbox) await switchWorld(state.about.default_world);
}

/** The world's time now, in milliseconds: what it was when it was read, and what has passed since at its speed. */
function worldNow() {
  if (!shell.world) return Date.now();
  const { now, speed } = shell.world.clock;
  return new Date(now).getTime() + (performance.now() - shell.readAt) * speed;
}

// What is shown ----------------------------------------------------------------------------------------------------------

function draw() {
  render(document.getElementById("app"), view());
}

function view() {
  if (!state.about) return shell.error ? h("main", { class: "alone" }, problem(shell.error)) : h("div", { class: "loading" }, "Loading…");
  if (state.about.sandbox && !state.sandbox) return landing(shell.error);
  if (shell.error?.status === 404 && state.sandbox) return goneWorld();
  return h(
    "div",
    { class: `shell ${shell.menu ? "menu-open" : ""} ${shell.calls ? "calls-open" : ""}` },
    h("a", { class: "skip", href: "#main", onclick: skip }, "Skip to content"),
    banner(),
    sidebar(),
    h(
      "div",
      { class: "column" },
      topbar(),
      h(
        "main",
        { id: "main", tabindex: -1, key: `page${open?.serial}` },
        shell.error && problem(shell.error),
        open && open.error && (!open.data || open.error.status !== 0) && problem(open.error),
        open && (open.data ? open.page.view(open.data) : !open.error && skeleton()),
      ),
    ),
    callsPanel(shell.calls, () => toggleCalls(false)),
  );
}

const skeleton = () => h("div", { class: "skeleton", "aria-label": "Loading" }, h("div"), h("div"), h("div"));

function skip(event) {
  event.preventDefault();
  document.getElementById("main").focus();
}

function banner() {
  const logins = state.sandbox ? [] : state.about.logins;
  const usual = logins.filter((login) => login.scopes.length === state.about.scopes.length);
  const ends = shell.world?.expires_at;
  return h(
    "div",
    { class: "banner", role: "note" },
    h("span", { class: "banner-main" }, h("strong", {}, "This is a simulation."), " No coin is mined, nobody is paid; workers are invented, but for miners that connected to the door."),
    usual.length > 0 &&
      h(
        "span",
        { class: "banner-keys" },
        h("span", {}, "Demo keys"),
        usual.map((login) =>
          h("button", { type: "button", key: login.key, class: "chip", title: `Copy the ${login.tier} account's key`, onclick: () => copy(login.key) }, h("code", {}, login.key)),
        ),
      ),
    state.sandbox && ends && h("span", { class: "banner-keys" }, `Your private world ends ${moment(ends).slice(0, 16)} UTC.`),
  );
}

function sidebar() {
  const account = shell.accounts.find((one) => one.name === state.account);
  const groups = ["Proxy", "Simulator"];
  return h(
    "nav",
    { class: "sidebar", "aria-label": "Pages" },
    h("a", { class: "brand", href: "#/overview" }, h("img", { src: "/static/icon.svg", alt: "", width: 28, height: 28 }), h("span", {}, "upsim")),
    groups.map((group) => [
      h("p", { class: "nav-group" }, group),
      PAGES.filter((spec) => spec.group === group).map((spec) =>
        h("a", { href: `#${spec.path}`, key: spec.path, "aria-current": open?.spec.path === spec.path ? "page" : null }, icon(spec.icon), h("span", {}, spec.title)),
      ),
    ]),
    h("p", { class: "nav-group" }, "Reference"),
    h("a", { href: "/docs" }, icon("docs"), h("span", {}, "API reference")),
    h("div", { class: "spring" }),
    account &&
      h(
        "div",
        { class: "who" },
        h(
          "div",
          { class: "who-name" },
          h("span", { class: "avatar", "aria-hidden": "true" }, account.name.slice(0, 1).toUpperCase()),
          h("strong", { title: account.name }, account.name),
          account.tier === "vip" ? badge("VIP", "vip") : badge("Basic"),
        ),
        h("span", { class: "dim small" }, `${count(account.window.used)} of ${account.window.limit} requests this minute`),
      ),
  );
}

function topbar() {
  const clock = shell.world?.clock;
  const theme = document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  const names = shell.accounts.map((account) => [account.name, account.name]);
  return h(
    "header",
    { class: "topbar" },
    iconButton("Menu", "menu", { class: "only-phone", "aria-expanded": String(shell.menu), onclick: toggleMenu }),
    h("h1", {}, open?.spec.title ?? ""),
    h(
      "div",
      { class: "topbar-where" },
      state.sandbox ? null : h("a", { class: "world-name", href: "#/worlds", title: `World ${state.world}` }, icon("worlds"), h("span", {}, state.world)),
      select("Account", names, state.account, switchAccount),
    ),
    h(
      "a",
      { class: `clock ${clock?.frozen ? "frozen" : ""}`, href: "#/simulator", title: clock?.frozen ? "The world's clock stands still" : "The world's clock, UTC" },
      icon(clock?.frozen ? "freeze" : "simulator"),
      h("time", { id: "clock" }, clock ? moment(worldNow()) : ""),
      clock && !clock.frozen && clock.speed !== 1 && h("span", { class: "speed" }, `${count(clock.speed)}×`),
    ),
    h(
      "div",
      { class: "topbar-tools" },
      iconButton(shell.paused ? "Refresh by itself again" : "Pause refreshing", shell.paused ? "play" : "pause", { "aria-pressed": String(shell.paused), onclick: togglePause }),
      iconButton("Refresh now", "refresh", { onclick: () => refreshShell().then(refresh) }),
      iconButton("Calls of this page, as curl", "terminal", { "aria-pressed": String(shell.calls), onclick: () => toggleCalls(!shell.calls) }),
      iconButton(theme === "dark" ? "Light theme" : "Dark theme", theme === "dark" ? "sun" : "moon", { onclick: () => setTheme(theme === "dark" ? "light" : "dark") }),
    ),
    (shell.lost || shell.paused) && h("span", { class: "only-wide" }, shell.lost ? badge("no connection", "bad") : badge("paused", "warn")),
  );
}

// Switches ---------------------------------------------------------------------------------------------------------------

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  remember("theme", theme);
  draw();
}

function togglePause() {
  shell.paused = !shell.paused;
  remember("paused", shell.paused ? "yes" : "no");
  draw();
}

function toggleMenu() {
  shell.menu = !shell.menu;
  draw();
  if (shell.menu) document.querySelector(".sidebar a")?.focus();
}

function toggleCalls(shown) {
  shell.calls = shown;
  draw();
}

function askToken() {
  state.tokenNeeded = true;
  state.asking ??= formDialog("Admin token", {
    submit: "Go on",
    fields: () => [
      h("p", {}, "The control plane of this server needs its admin token: given with --admin-token, or shown when the server started. It is kept until this tab is closed."),
      field("Token", h("input", { type: "password", name: "token", autocomplete: "off", required: true })),
    ],
    send: async () => {
      const token = document.querySelector("input[name=token]").value.trim();
      remember("token", token, "session");
      try {
        await control("GET", "/_upsim/worlds", undefined, { asked: true });
      } catch (error) {
        remember("token", null, "session");
        throw error;
      }
      return true;
    },
  }).finally(() => {
    state.asking = null;
  });
  return state.asking;
}

// Beginning --------------------------------------------------------------------------------------------------------------

async function begin() {
  const sandbox = location.pathname.match(/^\/s\/([^/]+)$/);
  state.sandbox = Boolean(sandbox);
  state.askToken = sandbox ? null : askToken;
  state.onCall = (call) => {
    if (shell.calls) draw();
    // A request was spent: the meters say so at once, and not only when the page refreshes next.
    if (call?.path.startsWith("/v1/")) {
      clearTimeout(shell.spent);
      shell.spent = setTimeout(refreshShell, 150);
    }
  };
  draw();
  try {
    state.about = await control("GET", "/_upsim/about", undefined, { quiet: true });
  } catch (error) {
    shell.error = error;
    draw();
    return;
  }
  if (state.about.sandbox && !sandbox) {
    draw();
    return;
  }
  state.world = sandbox ? decodeURIComponent(sandbox[1]) : (recall("world", "session") ?? state.about.default_world);
  await switchWorld(state.world);
  window.addEventListener("hashchange", () => follow() && window.scrollTo(0, 0));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && shell.menu) toggleMenu();
  });
  document.addEventListener("visibilitychange", () => document.hidden || tick());
  document.querySelector("#app").addEventListener("click", (event) => {
    if (shell.menu && !event.target.closest(".sidebar, .topbar")) toggleMenu();
  });
  setInterval(tickClock, 1000);
  setInterval(tick, POLL_MS);
}

let ticking = false;

async function tick() {
  // Reads through the API cost requests, so they are made when asked for only.
  if (shell.paused || document.hidden || ticking || state.viaApi) return;
  ticking = true;
  try {
    await refreshShell();
    if (open?.page.live !== false) await refresh();
  } finally {
    ticking = false;
  }
}

function tickClock() {
  const shown = document.getElementById("clock");
  if (shown && shell.world) draw();
}

begin();
