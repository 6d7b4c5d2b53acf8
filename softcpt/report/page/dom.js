"use strict";
// Elements, numbers as text, the tooltip, and markers. Text only ever enters the page as text nodes.

const DATA = JSON.parse(document.getElementById("data").textContent);
const ALL_IMAGES = -1;

function build(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name.startsWith("--")) node.style.setProperty(name, value);
    else if (name === "style") node.style.cssText += value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) node.append(child);
  }
  return node;
}

const el = (name, attributes, ...children) => build(document.createElement(name), attributes, children);
const svg = (name, attributes, ...children) =>
  build(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);

const number = (value, digits = 2) =>
  value === null || value === undefined
    ? "–"
    : value.toLocaleString("en", {minimumFractionDigits: digits, maximumFractionDigits: digits});
const signed = (value) => (value > 0 ? "+" : value < 0 ? "−" : "±") + Math.abs(value).toFixed(2);
const pText = (p) => (p === null ? "–" : p < 0.001 ? "<0.001" : p.toFixed(3));
const shotsText = (shots) => (shots === ALL_IMAGES ? "all images" : `${shots}-shot`);
const intervalText = (cell) =>
  cell[2] === null
    ? "one value, no interval"
    : `95 % interval ${number(cell[0] - cell[2])} to ${number(cell[0] + cell[2])}`;

// A cell is [mean, std, half-width of the 95 % interval, n], or null.
function meanNodes(cell, expected, absent = "missing") {
  if (!cell) return [absent];
  const nodes = [number(cell[0])];
  if (cell[3] > 1) nodes.push(el("span", {class: "plusminus"}, ` ± ${number(cell[1])}`));
  if (cell[3] < expected) nodes.push(el("span", {class: "partial"}, ` n=${cell[3]}`));
  return nodes;
}

const tip = document.getElementById("tip");

let tipTarget = null;

function showTip(target, lines) {
  tip.replaceChildren(...lines.flat(Infinity));
  tip.hidden = false;
  tipTarget = target;
  placeTip();
}

function placeTip() {
  const target = tipTarget;
  const box = target.getBoundingClientRect(),
    size = tip.getBoundingClientRect();
  const left = Math.min(Math.max(8, box.left + box.width / 2 - size.width / 2), innerWidth - size.width - 8);
  const above = box.top - size.height - 10;
  tip.style.left = `${left}px`;
  tip.style.top = `${above > 4 ? above : Math.min(box.bottom + 10, innerHeight - size.height - 4)}px`;
}

const hideTip = () => {
  tip.hidden = true;
};
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") hideTip();
});
// Focus scrolls into view what it reaches: there the tip follows. A pointer is elsewhere after scrolling.
const afterScroll = () => (tipTarget === document.activeElement ? tip.hidden || placeTip() : hideTip());
document.addEventListener("scroll", afterScroll, {passive: true, capture: true});

// The same lines for eyes, pointer and screen reader.
function explained(node, lines) {
  const show = () => showTip(node, lines());
  for (const event of ["mouseenter", "focus"]) node.addEventListener(event, show);
  for (const event of ["mouseleave", "blur"]) node.addEventListener(event, hideTip);
  return node;
}

const star = [...Array(10).keys()].map((i) => [
  Math.sin((i * Math.PI) / 5) * (i % 2 ? 0.45 : 1),
  -Math.cos((i * Math.PI) / 5) * (i % 2 ? 0.45 : 1),
]);
const SHAPES = {
  square: [
    [-0.8, -0.8],
    [0.8, -0.8],
    [0.8, 0.8],
    [-0.8, 0.8],
  ],
  triangle: [
    [0, -1],
    [1, 0.8],
    [-1, 0.8],
  ],
  down: [
    [0, 1],
    [1, -0.8],
    [-1, -0.8],
  ],
  diamond: [
    [0, -1.1],
    [1.1, 0],
    [0, 1.1],
    [-1.1, 0],
  ],
  cross: [
    [-0.9, -0.5],
    [-0.5, -0.9],
    [0, -0.4],
    [0.5, -0.9],
    [0.9, -0.5],
    [0.4, 0],
    [0.9, 0.5],
    [0.5, 0.9],
    [0, 0.4],
    [-0.5, 0.9],
    [-0.9, 0.5],
    [-0.4, 0],
  ],
  plus: [
    [-0.35, -1],
    [0.35, -1],
    [0.35, -0.35],
    [1, -0.35],
    [1, 0.35],
    [0.35, 0.35],
    [0.35, 1],
    [-0.35, 1],
    [-0.35, 0.35],
    [-1, 0.35],
    [-1, -0.35],
    [-0.35, -0.35],
  ],
  star,
};

function marker(kind, x, y, size, attributes) {
  if (!SHAPES[kind]) return svg("circle", {cx: x, cy: y, r: size * 0.95, ...attributes});
  const grow = kind === "star" ? 1.6 : 1.08;
  return svg("polygon", {
    points: SHAPES[kind]
      .map(([a, b]) => `${(x + a * size * grow).toFixed(1)},${(y + b * size * grow).toFixed(1)}`)
      .join(" "),
    ...attributes,
  });
}

const swatch = (method) =>
  svg(
    "svg",
    {viewBox: "0 0 14 14", class: "swatch series", "--colour": method.colour, "aria-hidden": "true"},
    marker(method.marker, 7, 7, 5, {fill: "currentColor"}),
  );

function select(label, options, value, onchange) {
  const node = el(
    "select",
    {onchange: () => onchange(options[node.selectedIndex][0])},
    options.map(([key, text]) => el("option", {selected: key === value}, text)),
  );
  return el("label", {}, label, node);
}

function checkbox(label, value, onchange) {
  const node = el("input", {type: "checkbox", checked: value, onchange: () => onchange(node.checked)});
  return el("label", {}, node, label);
}
