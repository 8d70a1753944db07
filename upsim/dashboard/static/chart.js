// Hashrate over time as SVG of our own: one line, its area, readings under the pointer and by the arrow keys.
//
// No package from PyPI carries a small and well-kept chart library alone (those that carry one bring Django, Plotly or a
// megabyte), and what is needed here is little: it follows the page's colours, its content security policy and its keys.

import { h, render } from "./dom.js";
import { clockTime, hashrate, moment, scaled } from "./format.js";

const LEFT = 58;
const BOTTOM = 22;
const TOP = 10;
const RIGHT = 10;
let made = 0;

/** A chart for a view: points are {timestamp, hashrate}, oldest first. */
export function chart({ points, unit, label, height = 260 }) {
  return h("div", {
    class: "chart",
    own: true,
    style: { height: `${height}px` },
    mount: (node) => {
      node.upsimChart = new Chart(node);
    },
    update: (node) => node.upsimChart.show({ points, unit, label, height }),
  });
}

/** The same line, small and silent. */
export function sparkline(points, { width = 160, height = 40 } = {}) {
  if (points.length < 2) return h("svg", { class: "spark", viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
  const { x, y } = scales(points, [1, width - 1], [height - 3, 3]);
  const line = path(points, x, y);
  return h(
    "svg",
    { class: "spark", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    h("path", { class: "spark-area", d: `${line}L${width - 1},${height}L1,${height}Z` }),
    h("path", { class: "spark-line", d: line }),
  );
}

class Chart {
  constructor(node) {
    this.node = node;
    this.id = `chart${(made += 1)}`;
    this.at = null;
    this.data = null;
    this.width = 0;
    new ResizeObserver(() => this.draw()).observe(node);
  }

  show(data) {
    if (this.data && data.points === this.data.points && data.label === this.data.label) return;
    // A reading stays on its moment while the line moves on under it.
    const read = this.at === null ? null : this.data?.points[this.at]?.timestamp;
    this.data = data;
    const found = read === null ? -1 : data.points.findIndex((point) => point.timestamp === read);
    this.at = found < 0 ? null : found;
    this.draw();
  }

  draw() {
    const width = this.node.clientWidth;
    if (!this.data || !width) return;
    const { points, unit, label, height } = this.data;
    if (points.length < 2) {
      render(this.node, h("p", { class: "chart-empty" }, "No readings in this range yet."));
      return;
    }
    const { x, y, low, high, from, to } = scales(points, [LEFT, width - RIGHT], [height - BOTTOM, TOP]);
    this.x = x;
    const line = path(points, x, y);
    const floor = height - BOTTOM;
    const ticks = niceTicks(low, high, 4);
    const seen = this.at === null ? points.length - 1 : this.at;
    const said = `${moment(points[seen].timestamp * 1000)} UTC: ${hashrate(points[seen].hashrate, unit)}`;
    render(
      this.node,
      h(
        "div",
        {
          class: "chart-area",
          role: "slider",
          tabindex: 0,
          "aria-label": label,
          "aria-valuemin": 0,
          "aria-valuemax": points.length - 1,
          "aria-valuenow": seen,
          "aria-valuetext": said,
          onpointermove: (event) => this.point(event),
          onpointerdown: (event) => this.point(event),
          onpointerleave: () => this.move(null),
          onblur: () => this.move(null),
          onkeydown: (event) => this.key(event),
        },
        h(
          "svg",
          { viewBox: `0 0 ${width} ${height}`, width, height, "aria-hidden": "true" },
          h(
            "defs",
            {},
            h(
              "linearGradient",
              { id: this.id, x1: 0, y1: 0, x2: 0, y2: 1 },
              h("stop", { class: "chart-from", offset: 0 }),
              h("stop", { class: "chart-to", offset: 1 }),
            ),
          ),
          ticks.map((tick) => [
            h("line", { class: "chart-grid", x1: LEFT, x2: width - RIGHT, y1: y(tick), y2: y(tick) }),
            h("text", { class: "chart-text", x: LEFT - 8, y: y(tick) + 4, "text-anchor": "end" }, tickText(tick, high, unit)),
          ]),
          timeTicks(from, to, Math.max(2, Math.floor(width / 130))).map(({ at, text }) =>
            h("text", { class: "chart-text", x: x(at), y: height - 5, "text-anchor": "middle" }, text),
          ),
          h("path", { d: `${line}L${x(to)},${floor}L${x(from)},${floor}Z`, fill: `url(#${this.id})` }),
          h("path", { class: "chart-line", d: line }),
          this.at !== null && [
            h("line", { class: "chart-cross", x1: x(points[seen].timestamp), x2: x(points[seen].timestamp), y1: TOP, y2: floor }),
            h("circle", { class: "chart-dot", cx: x(points[seen].timestamp), cy: y(points[seen].hashrate), r: 4.5 }),
          ],
        ),
        h(
          "div",
          {
            class: "chart-reading",
            hidden: this.at === null,
            style: { left: `${Math.min(Math.max(x(points[seen].timestamp), LEFT + 70), width - 80)}px` },
          },
          h("strong", {}, hashrate(points[seen].hashrate, unit)),
          h("span", {}, `${moment(points[seen].timestamp * 1000).slice(5, 16)} UTC`),
        ),
      ),
    );
  }

  point(event) {
    const { points } = this.data;
    const left = event.clientX - this.node.getBoundingClientRect().left;
    let nearest = 0;
    for (let i = 1; i < points.length; i += 1) {
      if (Math.abs(this.x(points[i].timestamp) - left) < Math.abs(this.x(points[nearest].timestamp) - left)) nearest = i;
    }
    this.move(nearest);
  }

  key(event) {
    const last = this.data.points.length - 1;
    const from = this.at ?? last;
    const step = event.shiftKey ? 10 : 1;
    const to = { ArrowLeft: from - step, ArrowRight: from + step, ArrowDown: from - step, ArrowUp: from + step, Home: 0, End: last, PageDown: from - 10, PageUp: from + 10 }[event.key];
    if (event.key === "Escape") this.move(null);
    if (to === undefined) return;
    event.preventDefault();
    this.move(Math.min(last, Math.max(0, to)));
  }

  move(at) {
    if (at === this.at) return;
    this.at = at;
    this.draw();
  }
}

function scales(points, [left, right], [bottom, top]) {
  const from = points[0].timestamp;
  const to = points.at(-1).timestamp;
  let low = Infinity;
  let high = -Infinity;
  for (const { hashrate: rate } of points) {
    low = Math.min(low, rate);
    high = Math.max(high, rate);
  }
  // Zero is part of the picture unless the line stays far above it; then it may fill the picture, but not alone.
  low = low < high * 0.6 ? 0 : Math.max(0, low - (high - low) * 1.5 - high * 0.02);
  high = high === 0 ? 1 : high + (high - low) * 0.08;
  return {
    from,
    to,
    low,
    high,
    x: (at) => round(left + ((right - left) * (at - from)) / Math.max(1, to - from)),
    y: (rate) => round(bottom + ((top - bottom) * (rate - low)) / (high - low)),
  };
}

const round = (value) => Math.round(value * 10) / 10;

function path(points, x, y) {
  return points.map((point, i) => `${i ? "L" : "M"}${x(point.timestamp)},${y(point.hashrate)}`).join("");
}

function niceTicks(low, high, wanted) {
  const rough = (high - low) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((one) => one >= rough) ?? rough;
  const ticks = [];
  for (let tick = Math.ceil(low / step) * step; tick <= high; tick += step) ticks.push(tick);
  return ticks;
}

function tickText(tick, high, unit) {
  // All ticks in the prefix of the highest, so that they compare at a glance.
  const [, prefix] = scaled(high);
  const factor = 1000 ** ["", "k", "M", "G", "T", "P", "E", "Z"].indexOf(prefix);
  const number = tick / factor;
  return `${Number(number.toPrecision(6)).toString()}${tick === 0 ? "" : ` ${prefix}${unit.replace("/s", "")}`}`;
}

function timeTicks(from, to, wanted) {
  const steps = [600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 259200, 432000, 604800];
  const step = steps.find((one) => (to - from) / one <= wanted) ?? 604800;
  const found = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) {
    // Not at the very edges, where the text would be cut.
    if (at - from < (to - from) * 0.04 || to - at < (to - from) * 0.04) continue;
    found.push({ at, text: step >= 86400 ? moment(at * 1000).slice(5, 10) : clockTime(at * 1000).slice(0, 5) });
  }
  return found;
}
