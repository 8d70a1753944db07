// Overview: what there is and how fast it mines, at a glance.

import { control, read, state, target, worldPath } from "../api.js";
import { chart, sparkline } from "../chart.js";
import { h, icon } from "../dom.js";
import { count, duration, hashrate, percent } from "../format.js";
import { journalTable } from "../journal-table.js";
import { algorithm, seriesOf, unitOf } from "../series.js";
import { empty, meter, segmented } from "../ui.js";

export function overviewPage(ctx) {
  let range = "24h";
  let chosen = null;

  async function load() {
    const [overview, journal] = await Promise.all([
      read("/v1/overview"),
      control("GET", target(worldPath("/journal"), { newest: "true", limit: 8 }), undefined, { quiet: true }),
    ]);
    const mined = overview.algorithms.filter((block) => block.workers.total > 0);
    const series = new Map();
    for (const found of await Promise.all(mined.map((block) => seriesOf(ctx, { algorithm: block.algorithm, range })))) series.set(found.algorithm, found);
    return { overview, journal: journal.data, series, range };
  }

  function view({ overview, journal, series, range: shown }) {
    const { workers, pools, algorithms } = overview;
    const account = ctx.shell.accounts.find((one) => one.name === state.account);
    const mined = algorithms.filter((block) => block.workers.total > 0);
    const large = mined.find((block) => block.algorithm === chosen) ?? mined[0];
    const line = large && series.get(large.algorithm);
    return h(
      "div",
      { class: "stack" },
      h(
        "div",
        { class: "tiles" },
        tile("Workers online", count(workers.online), `of ${count(workers.total)} (${percent(workers.online, workers.total)})`, meter("Workers online", workers.online, workers.total, "good"), "#/workers"),
        tile("Pools healthy", count(pools.healthy), `of ${count(pools.total)}${pools.unhealthy ? `, ${count(pools.unhealthy)} unhealthy` : ""}`, meter("Pools healthy", pools.healthy, pools.total, pools.unhealthy ? "warn" : "good"), "#/pools"),
        account && tile("Requests this minute", count(account.window.used), `of ${account.window.limit} (${account.tier})`, meter("Requests used", account.window.used, account.window.limit, account.window.used >= account.window.limit ? "bad" : ""), "#/settings"),
        tile("Faults", count(ctx.shell.world?.faults.length ?? 0), ctx.shell.world?.faults.length ? "strike calls of this world" : "every call is answered as it should be", null, "#/simulator"),
      ),
      mined.length === 0
        ? empty("Nothing mines here yet", "Add a pool first: it brings a default profile, and then workers can be put on it.", h("a", { class: "button primary", href: "#/pools", key: "pools" }, "Pools"), h("a", { class: "button", href: "#/workers", key: "workers" }, "Workers"))
        : [
            h(
              "section",
              { class: "card", "aria-labelledby": "hashrate-title" },
              h(
                "header",
                { class: "card-head" },
                h("h2", { id: "hashrate-title" }, `Hashrate, ${large.algorithm}`),
                segmented("Range", state.about.ranges.map((one) => [one, one]), range, (value) => {
                  range = value;
                  ctx.redraw();
                  ctx.refresh();
                }),
              ),
              h(
                "div",
                { class: "figures" },
                figure("now", hashrate(large.hashrate, unitOf(large.algorithm))),
                figure("average", line?.stats ? hashrate(line.stats.avg_hashrate, unitOf(large.algorithm)) : "–"),
                figure("peak", line?.stats ? hashrate(line.stats.peak_hashrate, unitOf(large.algorithm)) : "–"),
                line && figure("a point is", duration(line.granularity)),
              ),
              line && chart({ points: line.data, unit: unitOf(large.algorithm), label: `Hashrate of ${large.algorithm} over ${shown}; arrow keys read it` }),
            ),
            h(
              "div",
              { class: "algorithms" },
              mined.map((block) =>
                h(
                  "button",
                  {
                    type: "button",
                    class: "card algorithm",
                    key: block.algorithm,
                    "aria-pressed": String(block === large),
                    onclick: () => {
                      chosen = block.algorithm;
                      ctx.redraw();
                    },
                  },
                  h("span", { class: "algorithm-name" }, h("strong", {}, block.algorithm), h("span", { class: "dim" }, algorithm(block.algorithm)?.coins ?? "")),
                  h("span", { class: "big-number" }, hashrate(block.hashrate, unitOf(block.algorithm))),
                  sparkline(series.get(block.algorithm)?.data ?? []),
                  h(
                    "span",
                    { class: "algorithm-foot dim" },
                    h("span", {}, h("span", { class: "dot good" }), `${count(block.workers.online)} / ${count(block.workers.total)} workers`),
                    h("span", { class: block.pools.unhealthy ? "bad-text" : "" }, icon("pools"), `${count(block.pools.healthy)} / ${count(block.pools.total)} pools`),
                  ),
                ),
              ),
            ),
          ],
      h(
        "section",
        { class: "card", "aria-labelledby": "journal-title" },
        h("header", { class: "card-head" }, h("h2", { id: "journal-title" }, "Recent calls"), h("a", { href: "#/journal" }, "The journal")),
        journal.length ? journalTable(journal, { small: true }) : h("p", { class: "dim pad" }, "No call under /v1 yet. Make one with a demo key, and it stands here with what decided it."),
      ),
    );
  }

  return { load, view };
}

const tile = (label, number, text, bar, href) =>
  h("a", { class: "card tile", href, key: label }, h("span", { class: "dim" }, label), h("span", { class: "big-number" }, number), h("span", { class: "dim small" }, text), bar);

const figure = (label, value) => h("div", { class: "figure", key: label }, h("span", { class: "dim small" }, label), h("strong", {}, value));
