// Lines of the journal, as the overview and the journal's own page show them.

import { h } from "./dom.js";
import { clockTime, moment } from "./format.js";
import { badge, httpBadge } from "./ui.js";

const TONES = { rule: "", fault: "bad", crash: "bad", "rate limit": "warn" };

export const decidedBadge = (entry) => badge(entry.decided, TONES[entry.decided] ?? "dim");

/** A table of calls; with `toggle` each line opens to all that is known of it. */
export function journalTable(entries, { small = false, opened = new Set(), toggle = null } = {}) {
  return h(
    "div",
    { class: "table-wrap" },
    h(
      "table",
      { class: "journal cards-on-phone" },
      h("thead", {}, h("tr", {}, h("th", {}, "Time"), h("th", {}, "Call"), h("th", {}, "Answer"), h("th", {}, "Decided by"), !small && h("th", {}, "Account"), !small && h("th", { class: "number" }, "ms"))),
      h(
        "tbody",
        {},
        entries.map((entry) => [
          h(
            "tr",
            { key: entry.seq },
            h("td", { class: "nowrap", "data-label": "Time", title: moment(entry.at) }, small ? clockTime(entry.at) : moment(entry.at)),
            h(
              "td",
              { "data-label": "Call" },
              toggle
                ? h("button", { type: "button", class: "link call", "aria-expanded": String(opened.has(entry.seq)), onclick: () => toggle(entry.seq) }, h("code", {}, `${entry.method} ${entry.path}`))
                : h("code", { class: "call", title: `${entry.method} ${entry.path}` }, `${entry.method} ${entry.path}`),
            ),
            h("td", { "data-label": "Answer" }, httpBadge(entry.status)),
            h("td", { "data-label": "Decided by" }, decidedBadge(entry), entry.clause && h("a", { class: "clause", href: `/docs#rule-${entry.clause}` }, entry.clause)),
            !small && h("td", { "data-label": "Account" }, entry.account ?? "–"),
            !small && h("td", { class: "number", "data-label": "ms" }, entry.duration_ms.toFixed(1)),
          ),
          opened.has(entry.seq) && h("tr", { key: `more${entry.seq}`, class: "more" }, h("td", { colspan: 6 }, details(entry))),
        ]),
      ),
    ),
  );
}

function details(entry) {
  const rows = [
    ["Number", String(entry.seq)],
    ["Key", entry.key],
    ["Query", entry.query],
    ["Fault", entry.fault],
    ["Error", entry.error],
  ].filter(([, value]) => value);
  return h(
    "div",
    { class: "stack tight" },
    h("dl", { class: "pairs" }, rows.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    entry.body && h("pre", { tabindex: 0, "aria-label": "Body of the call" }, JSON.stringify(entry.body, null, 2)),
  );
}
