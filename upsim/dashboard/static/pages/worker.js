// One worker: what it does now, what it did, where its shares go.

import { accountPath, control, read, state, v1 } from "../api.js";
import { chart } from "../chart.js";
import { h, icon } from "../dom.js";
import { count, duration, hashrate, moment, percent } from "../format.js";
import { live, profiles } from "../lists.js";
import { forgetSeries, seriesOf, unitOf } from "../series.js";
import { attempt, button, confirmDialog, field, formDialog, liveBadge, segmented, select, statusBadge, toast } from "../ui.js";

export function workerPage(ctx) {
  let range = "24h";
  const path = `/v1/workers/${ctx.id}`;

  async function load() {
    const [worker, series, miners] = await Promise.all([read(path), seriesOf(ctx, { worker: ctx.id, range }), live()]);
    return { worker, series, isLive: miners.has(ctx.id) };
  }

  function view({ worker, series, isLive }) {
    const unit = unitOf(worker.algorithm);
    const { accepted, stale, rejected } = worker.shares;
    const sent = accepted + stale + rejected;
    return h(
      "div",
      { class: "stack" },
      h("a", { href: "#/workers", class: "back" }, icon("back"), "All workers"),
      h(
        "header",
        { class: "page-head" },
        h("div", {}, h("h2", { class: "break" }, worker.name), h("div", { class: "row" }, statusBadge(worker.status), isLive && liveBadge(), h("span", { class: "dim break" }, `${worker.algorithm}, on ${worker.profile_name}`))),
        h(
          "div",
          { class: "row" },
          button("Assign to a profile", { onclick: () => assign(worker) }),
          !isLive && select("Simulate", [["", "Simulate …"], ["offline", "always offline"], ["online", "always online"], ["flapping", "flapping"], ["auto", "as chance has it"], ["retire", "retire"]], "", (action) => simulate(worker, action)),
        ),
      ),
      h(
        "div",
        { class: "tiles" },
        tile("Hashrate", hashrate(worker.hashrate, unit), worker.status === "online" ? "now" : "offline"),
        tile("Accepted shares", count(accepted), `${percent(accepted, sent)} of ${count(sent)}`),
        tile("Stale", count(stale), percent(stale, sent)),
        tile("Rejected", count(rejected), percent(rejected, sent)),
      ),
      h(
        "section",
        { class: "card", "aria-labelledby": "series-title" },
        h(
          "header",
          { class: "card-head" },
          h("h2", { id: "series-title" }, "Hashrate"),
          segmented("Range", state.about.ranges.map((one) => [one, one]), range, (value) => {
            range = value;
            ctx.redraw();
            ctx.refresh();
          }),
        ),
        h("div", { class: "figures" }, series.stats && [["average", series.stats.avg_hashrate], ["peak", series.stats.peak_hashrate]].map(([label, value]) => h("div", { class: "figure", key: label }, h("span", { class: "dim small" }, label), h("strong", {}, hashrate(value, unit))))),
        chart({ points: series.data, unit, label: `Hashrate of ${worker.name}; arrow keys read it` }),
      ),
      h(
        "section",
        { class: "card pad", "aria-label": "Details" },
        h(
          "dl",
          { class: "pairs" },
          pair("Pool in use", worker.pool_name ?? "none"),
          pair("Profile", worker.profile_name),
          pair("Up for", worker.status === "online" ? duration(worker.uptime_seconds) : "–"),
          pair("Last seen", worker.last_seen_at ? `${moment(worker.last_seen_at)} UTC` : "never"),
          pair("Since", `${moment(worker.created_at)} UTC`),
          pair("Id", h("code", {}, worker._id)),
        ),
      ),
    );
  }

  async function assign(worker) {
    const known = await attempt(() => profiles({ algorithm: worker.algorithm }));
    if (!known) return;
    let target = worker.profile_id;
    const body = () => ({ worker_ids: [worker._id], profile_id: target });
    const done = await formDialog("Assign to a profile", {
      submit: "Assign",
      fields: () => field("Profile", select("Profile", known.filter((one) => one.algorithm === worker.algorithm).map((one) => [one._id, one.name]), target, (value) => (target = value))),
      preview: () => ({ method: "POST", path: "/v1/workers/bulk-assign", body: body() }),
      send: () => v1("POST", "/v1/workers/bulk-assign", body()),
    });
    if (!done) return;
    toast("Assigned.", { tone: "good", call: done.call });
    ctx.refreshAll();
  }

  async function simulate(worker, action) {
    if (!action) return;
    const body = { worker_ids: [worker._id], action };
    const send = () => control("POST", accountPath("/workers/change"), body);
    const done = action === "retire" ? await confirmDialog("Retire the worker", `${worker.name} will mine no more, for good.`, { submit: "Retire", send }) : await attempt(send, `${action} from now on.`);
    if (!done) return;
    forgetSeries();
    ctx.refreshAll();
  }

  return { load, view };
}

const tile = (label, number, text) => h("div", { class: "card tile", key: label }, h("span", { class: "dim" }, label), h("span", { class: "big-number" }, number), h("span", { class: "dim small" }, text));
const pair = (name, value) => [h("dt", {}, name), h("dd", {}, value)];
