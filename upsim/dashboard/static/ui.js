// Parts that several pages share: badges, dialogs, toasts, pagers, fields. All of them views, none of them keeps state but
// dialogs and toasts, which live in a layer of their own above the page.

import { curl, curlOf, state } from "./api.js";
import { h, icon, render } from "./dom.js";
import { count } from "./format.js";

export const badge = (text, kind = "", props = {}) => h("span", { class: `badge ${kind}`, ...props }, text);

const TONES = { online: "good", healthy: "good", passed: "good", offline: "bad", unhealthy: "bad", failed: "bad", unknown: "dim" };
export const statusBadge = (status) => badge([h("span", { class: "dot", "aria-hidden": "true" }), status], TONES[status] ?? "");

/** What marks a worker whose miner is real and connected. */
export const liveBadge = () => badge("live", "good", { title: "Its miner is connected to the proxy's own door" });

export function httpBadge(status) {
  if (!status) return badge("dropped", "bad");
  return badge(String(status), status < 300 ? "good" : status === 429 ? "warn" : status < 500 ? "warn" : "bad");
}

export const button = (label, props = {}, name) =>
  h("button", { type: "button", ...props, class: `button ${props.class ?? ""}`.trim() }, name && icon(name), label && h("span", {}, label));

export const iconButton = (label, name, props = {}) =>
  h("button", { type: "button", title: label, "aria-label": label, ...props, class: `icon-button ${props.class ?? ""}`.trim() }, icon(name));

/** One of several, as a row of buttons. */
export function segmented(label, options, chosen, choose) {
  return h(
    "div",
    { class: "segmented", role: "group", "aria-label": label },
    options.map(([value, text]) =>
      h("button", { type: "button", key: value, "aria-pressed": String(value === chosen), onclick: () => choose(value) }, text),
    ),
  );
}

export function select(label, options, chosen, choose, props = {}) {
  return h(
    "select",
    {
      "aria-label": label,
      ...props,
      onchange: (event) => choose(event.target.value),
      update: (node) => {
        if (node.value !== chosen) node.value = chosen;
      },
    },
    options.map(([value, text]) => h("option", { key: value, value }, text)),
  );
}

export function field(label, control, hint) {
  // The label names it; a name of its own would hide the label from those who hear the page.
  delete control.props["aria-label"];
  return h("label", { class: "field" }, h("span", { class: "field-label" }, label), control, hint && h("span", { class: "hint" }, hint));
}

/** A bar that says how much of a whole is taken. */
export function meter(label, value, most, tone = "") {
  const share = most ? Math.min(1, value / most) : 0;
  return h(
    "div",
    { class: `meter ${tone}`, role: "meter", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": most || 1, "aria-valuenow": Math.min(value, most || 1) },
    h("span", { style: { width: `${share * 100}%` } }),
  );
}

export function pager(page, pages, total, what, go) {
  return h(
    "nav",
    { class: "pager", "aria-label": "Pagination" },
    h("span", { class: "dim" }, `${count(total)} ${what}${total === 1 ? "" : "s"}`),
    h(
      "div",
      {},
      iconButton("Previous page", "back", { disabled: page <= 1, onclick: () => go(page - 1) }),
      h("span", { class: "page-number" }, `${count(page)} / ${count(Math.max(1, pages))}`),
      iconButton("Next page", "next", { disabled: page >= pages, onclick: () => go(page + 1) }),
    ),
  );
}

export const empty = (title, text, ...actions) =>
  h("div", { class: "empty" }, h("h2", {}, title), h("p", {}, text), actions.length > 0 && h("div", { class: "row" }, actions));

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied.");
  } catch {
    toast("The browser forbids copying: select the text and copy it yourself.", { tone: "bad" });
  }
}

export const copyButton = (text, label = "Copy") => button(label, { class: "small", onclick: () => copy(text) }, "copy");

export const curlBlock = (text) =>
  h("div", { class: "curl" }, h("code", { tabindex: 0, "aria-label": "curl command" }, text), iconButton("Copy curl command", "copy", { onclick: () => copy(text) }));

// Toasts -----------------------------------------------------------------------------------------------------------------

const layer = { toasts: [], dialogs: [] };
let serial = 0;

function drawLayer() {
  render(
    document.getElementById("layer"),
    layer.dialogs,
    h(
      "div",
      { class: "toasts", role: "status", "aria-live": "polite", key: "toasts" },
      layer.toasts.map((one) =>
        h(
          "div",
          { class: `toast ${one.tone}`, key: `toast${one.id}` },
          h("div", { class: "toast-text" }, one.title && h("strong", {}, one.title), h("span", {}, one.text)),
          one.call && button("curl", { class: "small", onclick: () => copy(curl(one.call)), title: "Copy this call as curl" }, "copy"),
          iconButton("Dismiss", "close", { onclick: () => drop(one.id) }),
        ),
      ),
    ),
  );
}

function drop(id) {
  layer.toasts = layer.toasts.filter((one) => one.id !== id);
  drawLayer();
}

export function toast(text, { title = "", tone = "", call = null, seconds = 6 } = {}) {
  const id = (serial += 1);
  layer.toasts = [...layer.toasts.slice(-3), { id, text, title, tone, call }];
  drawLayer();
  setTimeout(() => drop(id), seconds * 1000);
}

/** An error for people: what it is by its status, and what the server said, as text. */
export function explain(error) {
  if (error.status === undefined) return { title: "This page made a mistake", text: error.message };
  if (error.status === 429) {
    return { title: "429 Too Many Requests", text: `${error.message} This is the account's rate limit at work: see Settings.` };
  }
  const names = { 0: "No answer", 400: "400 Bad Request", 401: "401 Unauthorized", 403: "403 Forbidden", 404: "404 Not Found", 409: "409 Conflict", 500: "500 Internal Server Error", 503: "503 Service Unavailable" };
  return { title: names[error.status] ?? `Status ${error.status}`, text: error.message };
}

export function complain(error) {
  const { title, text } = explain(error);
  toast(text, { title, tone: error.status === 429 ? "warn" : "bad", call: error.call ?? null, seconds: 12 });
}

export const problem = (error) => {
  const { title, text } = explain(error);
  return h("div", { class: `problem ${error.status === 429 ? "warn" : ""}`, role: "alert" }, icon("warning"), h("div", {}, h("strong", {}, title), h("p", {}, text)));
};

/** Do something and say how it went; answers what it gave, or null where it failed. */
export async function attempt(action, said) {
  try {
    const result = await action();
    if (said) toast(typeof said === "function" ? said(result) : said, { tone: "good", call: result?.call ?? null });
    return result;
  } catch (error) {
    complain(error);
    return null;
  }
}

// Dialogs ----------------------------------------------------------------------------------------------------------------

/** A dialog. `view(dialog)` is its content: dialog.close(result) ends it, dialog.redraw() shows what changed. */
export function openDialog(title, view, { wide = false, dismissable = true } = {}) {
  return new Promise((resolve) => {
    const key = `dialog${(serial += 1)}`;
    const opener = document.activeElement;
    let closed = false;
    const dialog = {
      error: null,
      busy: false,
      close(result = null) {
        if (closed) return;
        closed = true;
        layer.dialogs = layer.dialogs.filter((one) => one.key !== key);
        drawLayer();
        if (opener?.isConnected) opener.focus();
        resolve(result);
      },
      redraw() {
        if (closed) return;
        const drawn = draw();
        layer.dialogs = layer.dialogs.map((one) => (one.key === key ? drawn : one));
        drawLayer();
      },
    };
    const draw = () =>
      h(
        "dialog",
        {
          key,
          class: wide ? "wide" : "",
          "aria-labelledby": `${key}-title`,
          mount: (node) => node.showModal(),
          oncancel: (event) => {
            event.preventDefault();
            if (dismissable) dialog.close();
          },
        },
        h("header", {}, h("h2", { id: `${key}-title` }, title), dismissable && iconButton("Close", "close", { onclick: () => dialog.close() })),
        view(dialog),
      );
    layer.dialogs = [...layer.dialogs, draw()];
    drawLayer();
  });
}

/** A form in a dialog. `send()` does it; an error stays beside the form. `preview()` gives the call to show as curl. */
export function formDialog(title, { fields, send, preview, submit = "Save", wide = false, tone = "" }) {
  let command = "";
  return openDialog(
    title,
    (dialog) => {
      const look = async () => {
        if (!preview) return;
        const call = preview();
        const next = call ? (call.path.startsWith("/v1/") ? await curlOf(call.method, call.path, call.body) : curl(call)) : "";
        if (next !== command) {
          command = next;
          dialog.redraw();
        }
      };
      look().catch(complain);
      const act = async (event) => {
        event.preventDefault();
        if (dialog.busy) return;
        dialog.busy = true;
        dialog.error = null;
        dialog.redraw();
        try {
          const result = await send(dialog);
          dialog.busy = false;
          if (result !== undefined) dialog.close(result ?? true);
          else dialog.redraw();
        } catch (error) {
          dialog.busy = false;
          dialog.error = error;
          dialog.redraw();
        }
      };
      return h(
        "form",
        { onsubmit: act, oninput: () => look().catch(complain), novalidate: true },
        h("div", { class: "dialog-body" }, fields(dialog), dialog.error && problem(dialog.error), command && h("details", { class: "as-curl" }, h("summary", {}, "as curl"), curlBlock(command))),
        h(
          "footer",
          {},
          button("Cancel", { onclick: () => dialog.close() }),
          h("button", { type: "submit", class: `button primary ${tone}`, disabled: dialog.busy }, dialog.busy ? "Working…" : submit),
        ),
      );
    },
    { wide },
  );
}

/** Ask before something is done that cannot be undone. */
export const confirmDialog = (title, text, { submit = "Delete", tone = "danger", send, preview }) =>
  formDialog(title, { fields: () => h("p", {}, text), send, preview, submit, tone });
