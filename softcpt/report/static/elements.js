// Makes elements. Text only ever enters the page as text nodes, so names in the data are never markup.

import { number } from "./data.js";

const nothing = (value) => value === null || value === undefined || value === false;

function setAttribute(node, name, value) {
  if (nothing(value)) return;
  if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
  else if (name.startsWith("--")) node.style.setProperty(name, value);
  else if (name === "style")
    node.style.cssText += value; // what the page's security policy allows
  else node.setAttribute(name, value === true ? "" : value);
}

function build(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) setAttribute(node, name, value);
  node.append(...children.flat(Infinity).filter((child) => !nothing(child)));
  return node;
}

export const el = (name, attributes, ...children) =>
  build(document.createElement(name), attributes || {}, children);

export const svg = (name, attributes, ...children) =>
  build(document.createElementNS("http://www.w3.org/2000/svg", name), attributes || {}, children);

// options: [value, text] of each.
export function select(label, options, value, onchange) {
  const node = el(
    "select",
    { onchange: () => onchange(options[node.selectedIndex][0]) },
    options.map(([key, text]) => el("option", { selected: key === value }, text)),
  );
  return el("label", {}, label, node);
}

export function checkbox(label, value, onchange) {
  const node = el("input", { type: "checkbox", checked: value, onchange: () => onchange(node.checked) });
  return el("label", {}, node, label);
}

export const clip = (text, length) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);

// A section of the page under its heading.
export function card(title, intro, controls, ...content) {
  const id = `section-${title.toLowerCase().replace(/[^a-z]+/g, "-")}`;
  const shown = controls.filter(Boolean);
  return el(
    "section",
    { "aria-labelledby": id },
    el("h2", { id }, title),
    intro ? el("p", { class: "dim" }, intro) : null,
    shown.length ? el("div", { class: "controls" }, shown) : null,
    ...content,
  );
}

// "67.68 ± 1.18", with n where seeds are missing.
export function meanNodes(cell, expected, absent = "missing") {
  if (!cell) return [absent];
  const nodes = [number(cell.mean)];
  if (cell.n > 1) nodes.push(el("span", { class: "plusminus" }, ` ± ${number(cell.std)}`));
  if (cell.n < expected) nodes.push(el("span", { class: "partial" }, ` n=${cell.n}`));
  return nodes;
}

const star = [...Array(10).keys()].map((corner) => {
  const radius = corner % 2 ? 0.7 : 1.5;
  const angle = (corner * Math.PI) / 5;
  return `${(radius * Math.sin(angle)).toFixed(2)},${(-radius * Math.cos(angle)).toFixed(2)}`;
});

// Corners in units of a marker's size.
const SHAPES = {
  square: "-.86,-.86 .86,-.86 .86,.86 -.86,.86",
  triangle: "0,-1.1 1.1,.86 -1.1,.86",
  down: "0,1.1 1.1,-.86 -1.1,-.86",
  diamond: "0,-1.2 1.2,0 0,1.2 -1.2,0",
  cross: "-1,-.5 -.5,-1 0,-.4 .5,-1 1,-.5 .4,0 1,.5 .5,1 0,.4 -.5,1 -1,.5 -.4,0",
  plus: "-.38,-1.1 .38,-1.1 .38,-.38 1.1,-.38 1.1,.38 .38,.38 .38,1.1 -.38,1.1 -.38,.38 -1.1,.38 -1.1,-.38 -.38,-.38",
  star: star.join(" "),
};

// One marker around (x, y); the stroke keeps its width whatever the size.
export function marker(kind, x, y, size, attributes) {
  const place = { transform: `translate(${x.toFixed(1)} ${y.toFixed(1)}) scale(${size})` };
  const shape = SHAPES[kind] ? svg("polygon", { points: SHAPES[kind] }) : svg("circle", { r: 0.95 });
  return build(shape, { ...place, "vector-effect": "non-scaling-stroke", ...attributes }, []);
}

export const swatch = (method) =>
  svg(
    "svg",
    { viewBox: "0 0 14 14", class: "swatch series", "--colour": method.colour, "aria-hidden": "true" },
    marker(method.marker, 7, 7, 5, { fill: "currentColor" }),
  );

export const nameNodes = (method) => [swatch(method), method.name];
