// A view is a tree of plain values; render() makes the page what it says and touches nothing that is right already.
//
// Text becomes text nodes and nothing else: there is no way from here to markup. Nodes that stay keep their focus, their
// scroll position and what was typed into them, so a page that refreshes itself neither flickers nor jumps.

const SVG = "http://www.w3.org/2000/svg";
const PROPERTIES = new Set(["value", "checked", "disabled", "selected", "indeterminate", "hidden", "open", "readOnly"]);

/** An element of a view. Props: attributes; onName: a listener; key: its identity among its siblings; style: an object of
 * CSS properties; mount(node): called when it is made; update(node): called at each rendering; own: its children are
 * somebody else's business. */
export function h(tag, props, ...children) {
  return { tag, props: props ?? {}, key: props?.key, children: flat(children) };
}

function flat(children, into = []) {
  for (const child of children) {
    if (Array.isArray(child)) flat(child, into);
    else if (child === null || child === undefined || child === false || child === true) continue;
    else into.push(typeof child === "object" ? child : { text: String(child) });
  }
  return into;
}

/** Make the children of the node what the views say. */
export function render(node, ...views) {
  patchChildren(node, flat(views));
}

function patchChildren(parent, views) {
  const keyed = new Map();
  for (let node = parent.firstChild; node; node = node.nextSibling) {
    if (node.upsimKey !== undefined) keyed.set(node.upsimKey, node);
  }
  let cursor = parent.firstChild;
  for (const view of views) {
    let node = null;
    if (view.key !== undefined) node = keyed.get(view.key) ?? null;
    else if (cursor && cursor.upsimKey === undefined) node = cursor;
    if (!node || !alike(node, view)) node = make(view, parent);
    if (node === cursor) cursor = cursor.nextSibling;
    else parent.insertBefore(node, cursor);
    patch(node, view);
  }
  while (cursor) {
    const next = cursor.nextSibling;
    cursor.remove();
    cursor = next;
  }
}

function alike(node, view) {
  if (view.text !== undefined) return node.nodeType === Node.TEXT_NODE;
  return node.nodeType === Node.ELEMENT_NODE && node.localName === view.tag && node.upsimKey === view.key;
}

function make(view, parent) {
  if (view.text !== undefined) return document.createTextNode(view.text);
  const drawn = view.tag === "svg" || parent.namespaceURI === SVG;
  const node = drawn ? document.createElementNS(SVG, view.tag) : document.createElement(view.tag);
  node.upsimKey = view.key;
  node.upsimProps = {};
  node.upsimFresh = true;
  return node;
}

function patch(node, view) {
  if (view.text !== undefined) {
    if (node.data !== view.text) node.data = view.text;
    return;
  }
  const before = node.upsimProps ?? {};
  const after = view.props;
  if (!after.own) patchChildren(node, view.children);
  for (const name of Object.keys(before)) if (!(name in after)) set(node, name, undefined, before[name]);
  for (const name of Object.keys(after)) if (after[name] !== before[name]) set(node, name, after[name], before[name]);
  node.upsimProps = after;
  if (node.upsimFresh) {
    node.upsimFresh = false;
    after.mount?.(node);
  }
  after.update?.(node);
}

function set(node, name, value, before) {
  if (name === "key" || name === "own" || name === "mount" || name === "update") return;
  if (name.startsWith("on")) {
    node.upsimOn ??= {};
    const type = name.slice(2).toLowerCase();
    // One listener an event, which calls whatever the latest rendering said.
    if (!(type in node.upsimOn)) node.addEventListener(type, (event) => node.upsimOn[type]?.(event));
    node.upsimOn[type] = value;
  } else if (name === "style") {
    for (const one of Object.keys(before ?? {})) if (!(one in (value ?? {}))) node.style.removeProperty(one);
    for (const [one, text] of Object.entries(value ?? {})) node.style.setProperty(one, text);
  } else if (PROPERTIES.has(name)) {
    // Set when the view changes its mind, not when the user does: what is typed stays, above all while it is typed.
    if (name === "value" && node === document.activeElement && before !== undefined) return;
    node[name] = value ?? (name === "value" ? "" : false);
  } else if (value === undefined || value === null || value === false) {
    node.removeAttribute(name);
  } else {
    node.setAttribute(name, value === true ? "" : String(value));
  }
}

const ICONS = {
  overview: "M2 9l4-4 3 3 5-6M2 14h12",
  workers: "M2 3h12v4H2zM2 9h12v4H2zM5 5h.01M5 11h.01",
  miners: "M3 14L10 7M6 3c3-1 6 1 7 5M6 3l1.500 1.500M13 8l-1.500-1",
  pools: "M8 2c3 0 5.5.9 5.5 2S11 6 8 6 2.500 5.100 2.500 4 5 2 8 2zM2.500 4v8c0 1.100 2.500 2 5.500 2s5.500-.9 5.500-2V4M2.500 8c0 1.100 2.500 2 5.500 2s5.500-.9 5.500-2",
  profiles: "M3 4h10M3 8h7M3 12h4",
  settings: "M8 5.500a2.500 2.500 0 100 5 2.500 2.500 0 000-5zM8 1.500v2M8 12.500v2M1.500 8h2M12.500 8h2M3.400 3.400l1.400 1.400M11.200 11.200l1.400 1.400M12.600 3.400l-1.400 1.400M4.800 11.200l-1.400 1.400",
  simulator: "M8 2a6 6 0 100 12A6 6 0 008 2zM8 5v3l2 2",
  journal: "M4 2h8v12H4zM6 5h4M6 8h4M6 11h2",
  worlds: "M8 2a6 6 0 100 12A6 6 0 008 2zM2 8h12M8 2c2 2 2 10 0 12M8 2c-2 2-2 10 0 12",
  docs: "M5 4L2 8l3 4M11 4l3 4-3 4M9 3L7 13",
  menu: "M2 4h12M2 8h12M2 12h12",
  close: "M4 4l8 8M12 4l-8 8",
  sun: "M8 5a3 3 0 100 6 3 3 0 000-6zM8 1v1.500M8 13.500V15M1 8h1.500M13.500 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1",
  moon: "M13 9.500A5.500 5.500 0 016.500 3 5.500 5.500 0 1013 9.500z",
  pause: "M5 3v10M11 3v10",
  play: "M4 3l9 5-9 5z",
  refresh: "M13 8a5 5 0 11-1.500-3.500M13 2v3h-3",
  plus: "M8 3v10M3 8h10",
  check: "M3 8.500l3.500 3.500L13 4.500",
  copy: "M6 6h8v8H6zM10 6V2H2v8h4",
  up: "M8 13V3M4 7l4-4 4 4",
  down: "M8 3v10M4 9l4 4 4-4",
  grip: "M6 3h.01M6 8h.01M6 13h.01M10 3h.01M10 8h.01M10 13h.01",
  lock: "M4 7h8v7H4zM5.500 7V5a2.500 2.500 0 015 0v2",
  next: "M6 3l5 5-5 5",
  back: "M10 3L5 8l5 5",
  warning: "M8 2l6.500 12h-13zM8 6.500v3.500M8 12h.01",
  terminal: "M2 3h12v10H2zM4.500 6l2 2-2 2M8.500 10h3",
  freeze: "M8 1.500v13M2.400 4.700l11.200 6.600M13.600 4.700L2.400 11.300",
};

/** An icon that says nothing to a screen reader: there is always a text beside it or a label on its button. */
export function icon(name, props = {}) {
  return h(
    "svg",
    { viewBox: "0 0 16 16", class: `icon ${props.class ?? ""}`.trim(), "aria-hidden": "true", focusable: "false" },
    h("path", { d: ICONS[name] }),
  );
}
