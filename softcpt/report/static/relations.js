// How alike the tasks' contexts are: a heat map. Cosine 1 is red (alike), -1 is blue.

import { number } from "./data.js";
import { card, clip, el, select, svg } from "./elements.js";
import { arrowKeys } from "./keys.js";
import { explained } from "./tip.js";

const LEAST_FONT = 7.5; // pixels; names that would be smaller are left to the tip
const LONGEST_NAME = 24;

function layout(names, available) {
  const longest = Math.max(...names.map((name) => clip(name, LONGEST_NAME).length));
  let unit = Math.max(14, Math.min(40, 640 / names.length));
  let font = Math.min(12, unit * 0.8);
  let side = 14 + font * 0.62 * longest;
  if (side + unit * names.length > available) {
    font = Math.max(LEAST_FONT, Math.min(11, (available * 0.7) / names.length));
    side = 14 + font * 0.62 * longest;
    unit = (available - side) / names.length;
    if (unit < font * 1.05) [side, unit, font] = [0, available / names.length, 0];
  }
  return { unit, font, side, width: side + unit * names.length };
}

function colour(value) {
  const hue = value > 0 ? "#c1272d" : "#2563ab";
  return `color-mix(in oklab, ${hue} ${Math.round(Math.abs(value) * 100)}%, var(--card))`;
}

function nameTexts(name, index, { unit, font, side }, size) {
  const middle = unit * (index + 0.5) + font * 0.35;
  const turned = `translate(${side + middle} ${unit * size + 7}) rotate(-90)`;
  const text = { "font-size": font, "text-anchor": "end" };
  return [
    svg("text", { ...text, x: side - 6, y: middle }, clip(name, LONGEST_NAME)),
    svg("text", { ...text, transform: turned }, clip(name, LONGEST_NAME)),
  ];
}

function field(x, y, unit, value, label) {
  const node = svg("rect", {
    class: "cell",
    x,
    y,
    width: unit - 0.7,
    height: unit - 0.7,
    style: `fill:${colour(value)}`,
    role: "img",
    "aria-label": label,
  });
  return explained(node, () => [el("b", {}, label)]);
}

function heatMap(names, values, title, available) {
  const place = layout(names, available);
  const { unit, side, width, font } = place;
  const root = svg("svg", {
    class: "chart map",
    viewBox: `0 0 ${width} ${width}`,
    role: "group",
    "aria-label": title,
    style: `max-width:${width}px`,
  });
  const points = [];
  names.forEach((name, row) => {
    if (font) root.append(...nameTexts(name, row, place, names.length));
    names.forEach((other, column) => {
      const value = values[row][column];
      const label = `${name} and ${other}: ${number(value)}`;
      const node = field(side + unit * column, unit * row, unit, value, label);
      root.append(node);
      points.push({ node, x: column * 50, y: row, line: row }); // 50: columns are never taken for one another
    });
  });
  arrowKeys(points);
  return root;
}

export function relationsSection(view) {
  const { relations, methods } = view.benchmark;
  if (!relations.length) return null;
  let chosen = relations[0];
  const place = el("div");
  const options = relations.map((each) => [each, `${methods[each.method].name}, ${each.shots}`]);
  const scale = el(
    "span",
    { class: "dim controls", "aria-hidden": "true" },
    "−1",
    el("span", { class: "scale" }),
    "1",
  );
  const node = card(
    "Relations of tasks",
    "Cosine between the contexts of two tasks, less the mean context of all tasks; mean over seeds. Red: alike, " +
      "blue: unlike. Alike tasks are neighbours; point at a field to see its tasks.",
    [
      select("Method", options, chosen, (each) => {
        chosen = each;
        update();
      }),
      scale,
    ],
    place,
  );

  function update() {
    const title = `relations of tasks, ${methods[chosen.method].name}`;
    place.replaceChildren(heatMap(chosen.tasks, chosen.similarity, title, place.clientWidth));
  }
  return { node, update };
}
