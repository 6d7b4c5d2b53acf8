// Few-shot curves of the mean over tasks or of one task, the published ones beside them.

import { cellOf, DATA, expectedSeeds, intervalText, kindOf, number, shotsText, shown } from "./data.js";
import { card, checkbox, el, meanNodes, select } from "./elements.js";
import { plot, range } from "./plot.js";

const MEAN = -1; // in place of a task's number
const SHOWN_RUNS = 10;
const WHISKERS = [
  ["std", "standard deviation"],
  ["half", "95 % interval"],
  ["none", "none"],
];

function runNode(run, task) {
  const value = task === MEAN ? run.mean : run.figures[task];
  const more = run.paths.length > 1 ? ` and ${run.paths.length - 1} more` : "";
  const path = el("span", { class: "path" }, run.paths[0] + more);
  return el("div", {}, `seed ${run.seed}: ${value === null ? "missing" : number(value)} `, path);
}

function runNodes(view, method, shots, task) {
  const runs = view.benchmark.runs.filter(
    (run) =>
      run.method === method.index && run.classes === view.kind && (method.zeroShot || run.shots === shots),
  );
  const nodes = runs.slice(0, SHOWN_RUNS).map((run) => runNode(run, task));
  const more = runs.length - SHOWN_RUNS;
  return more > 0 ? [...nodes, el("div", { class: "dim" }, `and ${more} more`)] : nodes;
}

function curvePoint(view, state, method, shots, column) {
  const cell = cellOf(view, method, column, state.task);
  if (!cell) return [];
  const expected = expectedSeeds(view, method);
  const where = method.zeroShot ? "zero-shot" : shotsText(shots);
  const found = {
    x: method.zeroShot ? 0 : column + 1,
    y: cell.mean,
    reach: cell[state.whiskers] || 0,
    hollow: cell.n < expected,
    label: `${method.name}, ${where}: ${number(cell.mean)} ± ${number(cell.std)}, n ${cell.n}`,
    pick: `${method.name} ${method.zeroShot ? "" : where}`,
    tip: () => [
      el("b", {}, `${method.name}, ${where}`),
      el("div", {}, meanNodes(cell, expected), " %"),
      el("div", { class: "dim" }, `${intervalText(cell)}; ${cell.n} ${cell.n === 1 ? "seed" : "seeds"}`),
      runNodes(view, method, shots, state.task),
    ],
  };
  return [found];
}

function publishedPoint(name, state, column, where, [mean, std]) {
  return {
    x: column,
    y: mean,
    reach: state.whiskers === "std" ? std : 0,
    label: `${name}, ${where}: ${number(mean)}`,
    tip: () => [
      el("b", {}, `${name}, ${where}`),
      el("div", {}, `${number(mean)} ± ${number(std)} %`),
      el("div", { class: "dim" }, DATA.publishedSource),
    ],
  };
}

function publishedLine(view, state, row, shots) {
  const { name } = row;
  const { colour, marker } = view.benchmark.methods[row.ours[0]];
  const points = [];
  shots.forEach((each, index) => {
    if (row.shots[each])
      points.push(publishedPoint(name, state, index + 1, shotsText(each), row.shots[each]));
  });
  const level = !points.length;
  if (level) points.push(publishedPoint(name, state, 0, "zero-shot", row.average));
  return { name, colour, marker, dashed: true, level, points };
}

function linesOf(view, state) {
  const { shots } = kindOf(view);
  const lines = shown(view).map((method) => {
    const columns = method.zeroShot ? [0] : shots;
    const points = columns.flatMap((each, column) => curvePoint(view, state, method, each, column));
    return { ...method, level: method.zeroShot, points };
  });
  if (!state.published || state.task !== MEAN || view.kind !== "all") return lines;
  const { methods, published } = view.benchmark;
  const rows = published.filter((row) => row.ours.length && !view.hidden.has(methods[row.ours[0]].name));
  return [...lines, ...rows.map((row) => publishedLine(view, state, row, shots))];
}

// One column for each number of shots, zero-shot first.
function shotsScale(shots) {
  const names = ["0", ...shots.map((each) => shotsText(each).replace("-shot", ""))];
  return ({ left, right }) => {
    const x = (column) => left + ((column + 0.4) * (right - left)) / (names.length - 0.2);
    return { x, ticks: names.map((name, column) => [x(column), name]) };
  };
}

export function curvesSection(view, pick) {
  const { tasks, methods, published } = view.benchmark;
  const state = { task: MEAN, whiskers: "std", published: methods.length <= 5 };
  const choose = (key) => (value) => {
    state[key] = value;
    update();
  };
  const names = [[MEAN, `mean over ${tasks.length} tasks`], ...tasks.map((task, index) => [index, task])];
  const taskBox = select("Task", names, MEAN, choose("task"));
  const place = el("div");
  const node = card(
    "Few-shot curves",
    "Means over seeds. Point at a dot, or reach it with Tab and the arrow keys, to see its runs; " +
      "click or Enter lists them below. Hollow: not all seeds are there.",
    [
      tasks.length > 1 ? taskBox : null,
      select("Whiskers", WHISKERS, state.whiskers, choose("whiskers")),
      published.length ? checkbox("published", state.published, choose("published")) : null,
    ],
    place,
  );

  function update() {
    const lines = linesOf(view, state);
    const ends = lines.flatMap((line) => line.points.flatMap(({ y, reach }) => [y - reach, y + reach]));
    const title = names.find(([task]) => task === state.task)[1];
    const chart = {
      lines,
      title,
      xTitle: "training images per class",
      yTitle: `${title}, %`,
      yRange: range(ends),
      xScale: shotsScale(kindOf(view).shots),
    };
    place.replaceChildren(plot(chart, place.clientWidth, pick));
  }

  function showTask(task) {
    state.task = task;
    taskBox.querySelector("select").selectedIndex = task + 1;
    update();
    node.scrollIntoView({ block: "start" });
  }
  return { node, update, showTask };
}
