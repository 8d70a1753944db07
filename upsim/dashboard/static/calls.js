// The drawer that shows every call of the page as curl: what the dashboard does is what anybody could do.

import { curl, state } from "./api.js";
import { h } from "./dom.js";
import { copyButton, curlBlock, httpBadge, iconButton } from "./ui.js";

let all = false;

export function callsPanel(open, close) {
  const calls = state.calls.filter((call) => all || !call.quiet).slice(0, 40);
  return h(
    "aside",
    { class: "calls", hidden: !open, "aria-label": "Calls of this page" },
    h("header", {}, h("h2", {}, "Calls of this page"), iconButton("Close calls", "close", { onclick: close })),
    h(
      "p",
      { class: "dim small" },
      "Whatever you do here is a call under /v1 or /_upsim. What is merely shown is read by a look, which costs your rate limit nothing.",
    ),
    h(
      "label",
      { class: "check" },
      h("input", {
        type: "checkbox",
        onchange: (event) => {
          all = event.target.checked;
          state.onCall();
        },
      }),
      h("span", {}, "show reads too"),
    ),
    calls.length === 0 && h("p", { class: "dim" }, "Nothing yet: do something, and it stands here."),
    h(
      "ol",
      {},
      calls.map((call) =>
        h(
          "li",
          { key: call.id },
          h("div", { class: "row" }, httpBadge(call.status), h("code", { class: "path" }, `${call.method} ${shown(call.path)}`), h("span", { class: "dim small" }, `${Math.round(call.ms)} ms`)),
          open && curlBlock(curl(call)),
        ),
      ),
    ),
    calls.length > 0 && copyButton(calls.map(curl).reverse().join("\n"), "Copy all"),
  );
}

function shown(path) {
  const look = path.match(/\/look\?call=(.*)$/);
  return look ? `${decodeURIComponent(look[1])} (look)` : path;
}
