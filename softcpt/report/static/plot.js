// Lines with markers over two axes, as inline SVG; every point can be reached with the arrow keys.

import { clip, el, marker, svg, swatch } from "./elements.js";
import { arrowKeys } from "./keys.js";
import { explained } from "./tip.js";

const FULL_WIDTH = 1000; // drawn this wide and scaled up on wider screens; narrower ones are drawn as they are
const LABELS_FROM = 600; // pixels; below, names stand under the chart instead of beside the lines
const LABEL_GAP = 15;

export function ticks(low, high, count) {
  const rough = (high - low || 1) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((unit) => unit * power).find((unit) => unit >= rough);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + 1e-9; value += step) {
    found.push(Number(value.toFixed(10)));
  }
  return found;
}

// The values' range with room around it, at least `least` wide.
export function range(values, least = 1) {
  const low = Math.min(...values);
  const high = Math.max(...values);
  const pad = Math.max((high - low) * 0.06, least / 2);
  return [low - pad, high + pad];
}

// Where the axes stand in a chart that may be `available` pixels wide.
function frameFor(available, names) {
  const width = Math.max(280, Math.min(FULL_WIDTH, available));
  const labelled = width >= LABELS_FROM;
  const longest = Math.max(0, ...names.map((name) => name.length));
  const room = labelled ? Math.min(width * 0.36, 36 + 8 * longest) : 14;
  const height = labelled ? 430 : 330;
  return { width, height, labelled, left: 52, right: width - room, top: 30, bottom: height - 58 };
}

function drawAxes(root, frame, y, { yRange, xTicks, xTitle, yTitle }) {
  const { left, right, top, bottom } = frame;
  for (const value of ticks(...yRange, 6)) {
    root.append(
      svg("line", { class: "grid", x1: left, x2: right, y1: y(value), y2: y(value) }),
      svg("text", { x: left - 8, y: y(value) + 4, "text-anchor": "end" }, String(value)),
    );
  }
  for (const [x, text] of xTicks) {
    root.append(svg("text", { x, y: bottom + 19, "text-anchor": "middle" }, text));
  }
  const middle = (left + right) / 2;
  root.append(
    svg("line", { class: "axis", x1: left, x2: right, y1: bottom, y2: bottom }),
    svg("text", { class: "axis-title", x: middle, y: bottom + 40, "text-anchor": "middle" }, xTitle),
    svg("text", { class: "axis-title", x: left - 38, y: top - 12 }, yTitle),
  );
}

// Names at the ends of lines, moved apart so that none covers another.
function endLabels(root, labels, { right, width, top, bottom }) {
  const x = right + 16;
  const fits = Math.floor((width - x) / 7.4);
  const sorted = [...labels].sort((a, b) => a.y - b.y);
  let least = top;
  for (const label of sorted) {
    label.at = Math.max(label.y, least);
    least = label.at + LABEL_GAP;
  }
  let most = bottom;
  for (const label of sorted.reverse()) {
    label.at = Math.min(label.at, most);
    most = label.at - LABEL_GAP;
  }
  for (const label of sorted) {
    const leader = svg("path", { class: "leader", d: `M${label.x + 7} ${label.y}L${x - 5} ${label.at}` });
    const text = svg("text", { class: "label", x, y: label.at + 4 }, clip(label.text, fits));
    root.append(svg("g", { class: "series", "--colour": label.colour }, leader, text));
  }
}

function whisker(x, low, high) {
  return svg("path", {
    class: "whisker",
    d: `M${x} ${low}V${high}M${x - 3.5} ${low}h7M${x - 3.5} ${high}h7`,
  });
}

function pointNode(line, point, x, y, onpick) {
  const hollow = point.hollow || line.dashed;
  const node = marker(line.marker, x, y, line.dashed ? 4 : 5.2, {
    class: hollow ? "point hollow" : "point",
    role: "img",
    "aria-label": point.label,
  });
  if (onpick && point.pick) {
    node.addEventListener("click", () => onpick(point.pick));
    node.addEventListener("keydown", (event) => {
      if (event.key === "Enter") onpick(point.pick);
    });
  }
  return explained(node, point.tip);
}

// One method's line, whiskers and points; `at` are their places in pixels.
function lineNode(line, at, frame, y) {
  const group = svg("g", { class: "series", "--colour": line.colour, opacity: line.dashed ? 0.75 : null });
  if (line.level) {
    const height = at[0][1];
    group.append(
      svg("line", { class: "line dots", x1: frame.left, x2: frame.right, y1: height, y2: height }),
    );
  } else {
    const points = at.map((place) => place.join(",")).join(" ");
    group.append(svg("polyline", { class: line.dashed ? "line dash" : "line", points }));
  }
  line.points.forEach((point, index) => {
    if (point.reach) group.append(whisker(at[index][0], y(point.y - point.reach), y(point.y + point.reach)));
  });
  return group;
}

// chart: {title, xTitle, yTitle, yRange, xScale(frame): {x(value), ticks: [[pixels, text]]},
//   lines: [{name, colour, marker, dashed, level, points: [{x, y, reach, label, tip(), hollow, pick}]}]}
// A `level` is a line across the chart with one point, as zero-shot is.
export function plot(chart, available, onpick) {
  const drawn = chart.lines.filter((line) => line.points.length);
  const names = drawn.filter((line) => !line.dashed).map((line) => line.name);
  const frame = frameFor(available, names);
  const { width, height, top, bottom } = frame;
  const root = svg("svg", {
    class: "chart",
    viewBox: `0 0 ${width} ${height}`,
    role: "group",
    "aria-label": chart.title,
  });
  if (!drawn.length) return root;
  const [low, high] = chart.yRange;
  const y = (value) => bottom - ((value - low) / (high - low)) * (bottom - top);
  const { x, ticks: xTicks } = chart.xScale(frame);
  drawAxes(root, frame, y, { ...chart, xTicks });
  const points = [];
  const labels = [];
  drawn.forEach((line, number) => {
    const at = line.points.map((point) => [x(point.x), y(point.y)]);
    const group = lineNode(line, at, frame, y);
    line.points.forEach((point, index) => {
      const node = pointNode(line, point, ...at[index], onpick);
      group.append(node);
      points.push({ node, x: at[index][0], y: at[index][1], line: number });
    });
    root.append(group);
    const [endX, endY] = at[at.length - 1];
    if (!line.dashed) {
      labels.push({ text: line.name, colour: line.colour, x: line.level ? frame.right - 7 : endX, y: endY });
    }
  });
  arrowKeys(points);
  if (!frame.labelled) return el("div", {}, root, legend(drawn));
  endLabels(root, labels, frame);
  return root;
}

function legend(lines) {
  const solid = lines.filter((line) => !line.dashed);
  const items = solid.map((line) => el("li", {}, swatch(line), line.name));
  return el("ul", { class: "names", "aria-hidden": "true" }, items); // every point says its name
}
