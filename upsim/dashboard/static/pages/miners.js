// Miners at the proxy's own Stratum door: who is connected, where each mines, and what happens as it happens.

import { control, state, target, worldPath } from "../api.js";
import { h } from "../dom.js";
import { clockTime, count, moment, plural } from "../format.js";
import { badge, empty } from "../ui.js";

const MOST = 200; // sessions and events that are shown
const AGAIN_MS = 1000;
const TONES = { came: "good", recovered: "good", moved: "warn", failed: "bad" };

export function minersPage(ctx) {
  let next = null;

  async function load() {
    const found = await control("GET", target(worldPath("/miners"), { limit: MOST }), undefined, { quiet: true });
    clearTimeout(next);
    // Shares come faster than pages are refreshed elsewhere; without a miner there is nothing to hurry for.
    if (found.total && !ctx.shell.paused) next = setTimeout(() => document.querySelector("[data-miners]") && ctx.refresh(), AGAIN_MS);
    return found;
  }

  function view({ ports, total, algorithms, sessions, events }) {
    if (!ports.length) {
      return empty("The door is closed", "Start upsim with --stratum sha256=3333, and a miner that logs in as ACCOUNT.WORKER is a worker here.");
    }
    const prefix = state.world === state.about.default_world ? "" : `${state.world}/`;
    return h(
      "div",
      { class: "stack", "data-miners": "" },
      h(
        "section",
        { class: "card pad", "aria-label": "The door" },
        h("dl", { class: "pairs" }, ports.map((port) => [h("dt", {}, port.algorithm), h("dd", {}, h("code", {}, port.url), algorithms[port.algorithm] ? ` ${plural(algorithms[port.algorithm], "miner")}` : "")])),
        h("p", { class: "dim" }, "Log in as ", h("code", { class: "break" }, `${prefix}${state.account}.WORKER`), " with any password."),
      ),
      total === 0
        ? empty("No miner is connected", "What comes in by the door shows here as it happens.")
        : h(
            "section",
            { class: "card", "aria-label": "Connected miners" },
            h("header", { class: "card-head" }, h("h2", {}, `${plural(total, "miner")} connected`), total > sessions.length && h("span", { class: "dim" }, `the first ${count(sessions.length)}`)),
            h(
              "div",
              { class: "table-wrap" },
              h(
                "table",
                { class: "cards-on-phone" },
                h("thead", {}, h("tr", {}, ["Worker", "Algorithm", "Pool", "Difficulty", "Shares", "Last share", "Moves", "Miner"].map((name) => h("th", { class: name === "Shares" || name === "Difficulty" || name === "Moves" ? "number" : "" }, name)))),
                h("tbody", {}, sessions.map(line)),
              ),
            ),
          ),
      events.length > 0 &&
        h(
          "section",
          { class: "card", "aria-label": "What happens" },
          h("header", { class: "card-head" }, h("h2", {}, "As it happens")),
          h("div", { class: "table-wrap" }, h("table", { class: "cards-on-phone" }, h("thead", {}, h("tr", {}, h("th", {}, "Time"), h("th", {}, "Event"), h("th", {}, "Who"), h("th", {}, "What"))), h("tbody", {}, [...events].reverse().slice(0, 30).map(told)))),
        ),
    );
  }

  function line(one) {
    const { accepted, stale, rejected } = one.shares;
    return h(
      "tr",
      { key: one.session },
      h("td", { class: "name" }, h("a", { href: `#/workers/${one.worker_id}`, title: `${one.account}.${one.worker}` }, one.worker)),
      h("td", { "data-label": "Algorithm" }, one.algorithm),
      h("td", { class: "clip", "data-label": "Pool", title: one.pool_name ?? "" }, one.pool_name ?? badge("none", "bad")),
      h("td", { class: "number", "data-label": "Difficulty" }, one.difficulty === null ? "–" : one.difficulty >= 1 ? count(Math.round(one.difficulty)) : String(one.difficulty)),
      h("td", { class: "number", "data-label": "Shares", title: `${count(accepted)} accepted, ${count(stale)} stale, ${count(rejected)} rejected` }, count(accepted), stale + rejected > 0 && h("span", { class: "dim" }, ` −${count(stale + rejected)}`)),
      h("td", { class: "nowrap", "data-label": "Last share", title: one.last_share_at ? moment(one.last_share_at) : "" }, one.last_share_at ? clockTime(one.last_share_at) : "–"),
      h("td", { class: "number", "data-label": "Moves" }, count(one.moves)),
      h("td", { class: "clip", "data-label": "Miner", title: one.peer }, one.agent || one.peer),
    );
  }

  const told = (event) =>
    h(
      "tr",
      { key: event.seq },
      h("td", { class: "nowrap", "data-label": "Time", title: moment(event.at) }, clockTime(event.at)),
      h("td", { "data-label": "Event" }, badge(event.event, event.event === "share" ? (event.code === null ? "" : "warn") : (TONES[event.event] ?? "dim"))),
      h("td", { class: "clip", "data-label": "Who", title: event.worker ?? event.pool ?? "" }, event.worker ?? event.pool ?? ""),
      h("td", { "data-label": "What" }, what(event)),
    );

  return { load, view };
}

function what(event) {
  switch (event.event) {
    case "came":
      return event.agent ? `connected with ${event.agent}` : "connected";
    case "went":
      return "hung up";
    case "share":
      return event.code === null ? `accepted at difficulty ${event.difficulty}` : `refused: ${event.text ?? event.code}`;
    case "moved":
      return event.pool === null ? `no pool is left; it was on ${event.before}` : event.before ? `from ${event.before} to ${event.pool}` : `to ${event.pool}`;
    case "failed":
      return event.text;
    default:
      return "passes its test again";
  }
}
