// The journal: every call under /v1, what was answered, and what decided that.

import { control, target, worldPath } from "../api.js";
import { h } from "../dom.js";
import { journalTable } from "../journal-table.js";
import { attempt, button, empty, select } from "../ui.js";

const DECIDED = ["rule", "key", "address", "rate limit", "scope", "validation", "existence", "conflict", "quota", "cap", "method", "fault", "store", "crash"];

export function journalPage(ctx) {
  const opened = new Set();
  let limit = 50;

  const set = (name, value) => ctx.go("/journal", { ...ctx.query, [name]: value });

  async function load() {
    const { method, path, status, account, decided } = ctx.query;
    const wanted = { method, path, status: /^\d{3}$/.test(status ?? "") ? status : "", account, decided };
    return control("GET", target(worldPath("/journal"), { ...wanted, newest: "true", limit }), undefined, { quiet: true });
  }

  function view({ data, mark }) {
    const query = ctx.query;
    return h(
      "div",
      { class: "stack" },
      h(
        "div",
        { class: "toolbar" },
        h("input", { type: "search", "aria-label": "Path", placeholder: "Path, * for any text", value: query.path ?? "", onchange: (event) => set("path", event.target.value) }),
        select("Method", [["", "Any method"], ...["GET", "POST", "PUT", "DELETE"].map((one) => [one, one])], query.method ?? "", (value) => set("method", value)),
        h("input", { type: "text", inputmode: "numeric", size: 6, maxlength: 3, "aria-label": "Status", placeholder: "Status", value: query.status ?? "", onchange: (event) => set("status", event.target.value) }),
        select("Decided by", [["", "Decided by anything"], ...DECIDED.map((one) => [one, one])], query.decided ?? "", (value) => set("decided", value)),
        select("Account", [["", "Any account"], ...ctx.shell.accounts.map((one) => [one.name, one.name])], query.account ?? "", (value) => set("account", value)),
        h("span", { class: "spring" }),
        button("Clear", { onclick: () => attempt(() => control("DELETE", worldPath("/journal")), "The journal is empty; marks stay good.").then(ctx.refreshAll) }),
      ),
      data.length
        ? h("section", { class: "card", "aria-label": "Calls" }, journalTable(data, { opened, toggle }))
        : empty("No such call", mark ? "Nothing in the journal matches. Loosen the filters." : "No call under /v1 was made in this world yet."),
      h(
        "div",
        { class: "row dim" },
        h("span", {}, `Newest call: number ${mark}`),
        data.length === limit && limit < 1000 && button("Show more", { onclick: () => ((limit = Math.min(1000, limit * 4)), ctx.refresh()) }),
      ),
    );
  }

  function toggle(seq) {
    if (opened.has(seq)) opened.delete(seq);
    else opened.add(seq);
    ctx.redraw();
  }

  return { load, view };
}
