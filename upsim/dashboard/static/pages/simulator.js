// What only a simulator has: its clock, its faults, its snapshots, and the values with a fixed outcome.

import { control, state, worldPath } from "../api.js";
import { h } from "../dom.js";
import { count, moment } from "../format.js";
import { forgetSeries } from "../series.js";
import { attempt, badge, button, field, formDialog, iconButton, segmented, select, toast } from "../ui.js";

const SPEEDS = [[1, "1×"], [60, "60×"], [600, "600×"], [3600, "3600×"]];
const STEPS = ["-1d", "-1h", "1m", "10m", "1h", "1d", "7d", "30d"];
const EFFECTS = {
  status: "answer a status",
  drop: "drop the connection",
  cut: "cut the body short",
  malformed: "send malformed JSON",
  "content-type": "send another content type",
  latency: "wait before the answer",
};

export function simulatorPage(ctx) {
  let magic = null;

  async function load() {
    const quiet = { quiet: true };
    const [snapshots, values] = await Promise.all([
      control("GET", worldPath("/snapshots"), undefined, quiet),
      magic ?? control("GET", "/_upsim/magic", undefined, quiet).catch(() => ({ data: [] })),
    ]);
    magic = values;
    return { snapshots: snapshots.data, magic: values.data };
  }

  function view({ snapshots, magic: values }) {
    const world = ctx.shell.world;
    if (!world) return null;
    return h("div", { class: "stack" }, h("div", { class: "two-cards" }, clock(world), snapshotsCard(snapshots)), faults(world), magicCard(values));
  }

  const turn = (body, said) =>
    attempt(() => control("POST", worldPath("/clock"), body), said).then(() => {
      forgetSeries();
      return ctx.refreshAll();
    });

  function clock(world) {
    const { frozen, speed } = world.clock;
    return h(
      "section",
      { class: "card pad", "aria-labelledby": "clock-title" },
      h("h2", { id: "clock-title" }, "Clock"),
      h("p", { class: "big-number" }, moment(ctx.now()), h("span", { class: "dim" }, " UTC")),
      h("p", { class: "dim" }, frozen ? "It stands still: windows, series and shares with it." : speed === 1 ? "It runs as the clock on the wall." : `It runs ${count(speed)} times as fast as the clock on the wall.`),
      h(
        "div",
        { class: "row" },
        button(frozen ? "Let it run" : "Freeze", { class: "primary", onclick: () => turn({ freeze: !frozen }, frozen ? "The clock runs again." : "The clock stands still.") }, frozen ? "play" : "freeze"),
        segmented("Speed", SPEEDS, frozen ? null : speed, (value) => turn({ speed: value }, `The clock runs at ${value}×.`)),
      ),
      h(
        "div",
        { class: "row", role: "group", "aria-label": "Move the clock" },
        STEPS.map((step) => button(step.startsWith("-") ? `−${step.slice(1)}` : `+${step}`, { key: step, class: "small", onclick: () => turn({ advance: step }, `The clock moved by ${step}.`) })),
      ),
      h(
        "form",
        {
          class: "row",
          onsubmit: (event) => {
            event.preventDefault();
            const { value } = event.target.elements.set;
            if (value) turn({ set: `${value}:00Z` }, "The clock is set.");
          },
        },
        h("input", { type: "datetime-local", name: "set", "aria-label": "Set the clock to (UTC)" }),
        h("button", { type: "submit", class: "button" }, "Set"),
        button("To the wall's time", { onclick: () => turn({ set: new Date().toISOString(), speed: 1 }, "The clock shows the wall's time.") }),
      ),
    );
  }

  function faults(world) {
    return h(
      "section",
      { class: "card", "aria-labelledby": "faults-title" },
      h(
        "header",
        { class: "card-head" },
        h("h2", { id: "faults-title" }, "Faults"),
        h(
          "div",
          { class: "row" },
          world.faults.length > 0 && button("Remove all", { onclick: () => attempt(() => control("DELETE", worldPath("/faults")), "Every call is answered as it should be.").then(ctx.refreshAll) }),
          button("Add a fault", { class: "primary", onclick: add }, "plus"),
        ),
      ),
      world.faults.length === 0
        ? h("p", { class: "dim pad" }, "None. A fault strikes calls under /v1: the next so many, a share of them, or all; then see how your client takes it.")
        : h(
            "ul",
            { class: "lines" },
            world.faults.map((fault) =>
              h(
                "li",
                { key: fault.id },
                badge(fault.id, "dim"),
                h("code", { class: "break grow" }, `${fault.method ?? "any method"} ${fault.path ?? "any path"}${fault.account ? ` of ${fault.account}` : ""}`),
                h("span", {}, told(fault)),
                iconButton(`Remove ${fault.id}`, "close", { onclick: () => attempt(() => control("DELETE", worldPath(`/faults/${encodeURIComponent(fault.id)}`)), `${fault.id} is removed.`).then(ctx.refreshAll) }),
              ),
            ),
          ),
    );
  }

  async function add() {
    const wish = { effect: "status", method: "", path: "/v1/*", account: "", status: 503, latency: "", times: "", share: 100, after: false };
    const path = worldPath("/faults");
    const body = () => ({
      effect: wish.effect,
      ...(wish.method ? { method: wish.method } : {}),
      ...(wish.path ? { path: wish.path } : {}),
      ...(wish.account ? { account: wish.account } : {}),
      ...(wish.effect === "status" ? { status: Number(wish.status) } : {}),
      ...(wish.latency ? { latency: wish.latency } : {}),
      ...(wish.times ? { times: Number(wish.times) } : {}),
      ...(Number(wish.share) !== 100 ? { share: Number(wish.share) / 100 } : {}),
      ...(wish.after ? { after: true } : {}),
    });
    const input = (name, props) => h("input", { ...props, value: wish[name], oninput: (event) => (wish[name] = event.target.value) });
    const done = await formDialog("Add a fault", {
      submit: "Add",
      wide: true,
      fields: (dialog) =>
        h(
          "div",
          { class: "two" },
          field("What happens", select("Effect", Object.entries(EFFECTS), wish.effect, (value) => ((wish.effect = value), dialog.redraw()))),
          wish.effect === "status" ? field("Status", input("status", { type: "number", min: 200, max: 599, key: "status" })) : h("div", { key: "nothing" }),
          field("Method", select("Method", [["", "any"], ...["GET", "POST", "PUT", "DELETE"].map((one) => [one, one])], wish.method, (value) => (wish.method = value))),
          field("Path", input("path", { type: "text", maxlength: 200 }), "* stands for any text"),
          field("Account", select("Account", [["", "any"], ...ctx.shell.accounts.map((one) => [one.name, one.name])], wish.account, (value) => (wish.account = value))),
          field("Waits", input("latency", { type: "text", placeholder: wish.effect === "latency" ? "1.5" : "not at all" }), "seconds, before the answer"),
          field("For the next", input("times", { type: "number", min: 1, placeholder: "until removed" }), "calls that match"),
          field("Share of calls, %", input("share", { type: "number", min: 0, max: 100 }), "drawn from the world's seed"),
          h("label", { class: "check" }, h("input", { type: "checkbox", checked: wish.after, onchange: (event) => (wish.after = event.target.checked) }), h("span", {}, "The call does its work; only the answer is lost")),
        ),
      preview: () => ({ method: "POST", path, body: body() }),
      send: () => control("POST", path, { ...body(), ...(wish.latency ? { latency: Number(wish.latency) || wish.latency } : {}) }),
    });
    if (!done) return;
    toast(`${done.id} strikes from the next call on.`, { tone: "good", call: done.call });
    ctx.refreshAll();
  }

  function snapshotsCard(snapshots) {
    return h(
      "section",
      { class: "card pad", "aria-labelledby": "snapshots-title" },
      h("h2", { id: "snapshots-title" }, "Snapshots"),
      h("p", { class: "dim" }, "The whole world as it is, clock and faults included; back in milliseconds."),
      h(
        "form",
        {
          class: "row",
          onsubmit: async (event) => {
            event.preventDefault();
            const input = event.target.elements.name;
            if (await attempt(() => control("POST", worldPath("/snapshots"), { name: input.value }), (saved) => `Saved as ${saved.name}.`)) input.value = "";
            ctx.refresh();
          },
        },
        h("input", { type: "text", name: "name", required: true, maxlength: 63, placeholder: "before-the-test", "aria-label": "Name of the snapshot" }),
        h("button", { type: "submit", class: "button" }, "Save"),
        button("Download", { onclick: download, title: "The world as one readable document, without secrets" }),
      ),
      h(
        "ul",
        { class: "lines" },
        snapshots.map((one) =>
          h(
            "li",
            { key: one.name },
            h("strong", { class: "break grow" }, one.name),
            h("span", { class: "dim small" }, `at ${moment(one.now)}`),
            button("Restore", { class: "small", "aria-label": `Restore ${one.name}`, onclick: () => restore(one) }),
            iconButton(`Delete ${one.name}`, "close", { onclick: () => attempt(() => control("DELETE", worldPath(`/snapshots/${encodeURIComponent(one.name)}`)), `${one.name} is forgotten.`).then(ctx.refresh) }),
          ),
        ),
      ),
      snapshots.length === 0 && h("p", { class: "dim small" }, "None yet."),
    );
  }

  async function restore(one) {
    await attempt(() => control("POST", worldPath(`/snapshots/${encodeURIComponent(one.name)}/restore`)), `The world is what it was when ${one.name} was saved.`);
    forgetSeries();
    ctx.refreshAll();
  }

  async function download() {
    const content = await attempt(() => control("GET", worldPath("/download")));
    if (!content) return;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([content.call.answer.text], { type: "application/json" }));
    link.download = `${state.world}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  const magicCard = (values) =>
    h(
      "details",
      { class: "card pad" },
      h("summary", {}, h("h2", {}, "Magic values"), h("span", { class: "dim" }, ` ${values.length} names, keys and workers with a fixed outcome`)),
      h("div", { class: "table-wrap" }, h("table", {}, h("thead", {}, h("tr", {}, h("th", {}, "Kind"), h("th", {}, "Value"), h("th", {}, "What it does"))), h("tbody", {}, values.map((one) => h("tr", { key: `${one.kind} ${one.value}` }, h("td", { class: "nowrap" }, one.kind), h("td", {}, h("code", {}, one.value)), h("td", {}, one.outcome)))))),
    );

  return { load, view };
}

function told(fault) {
  const parts = [fault.effect === "status" ? `answers ${fault.status}` : EFFECTS[fault.effect]];
  if (fault.latency && fault.effect !== "latency") parts.push(`after ${[fault.latency].flat().join("–")} s`);
  if (fault.effect === "latency") parts.push(`${[fault.latency].flat().join("–")} s`);
  if (fault.times) parts.push(`${count(fault.times)} times`);
  if (fault.share < 1) parts.push(`${Math.round(fault.share * 1000) / 10} % of calls`);
  if (fault.after) parts.push("after its work is done");
  return parts.join(", ");
}
