// Methods against each other: paired differences with their tests, and average ranks.

import { number, pText, shotsText, signed } from "./data.js";
import { card, el, nameNodes, select } from "./elements.js";
import { arrowKeys } from "./keys.js";
import { tableBox } from "./tables.js";
import { explained } from "./tip.js";

// Keys of a pair.
const TESTS = [
  ["wilcoxon", "Wilcoxon, over tasks × seeds"],
  ["tTest", "t, over tasks × seeds"],
  ["wilcoxonTasks", "Wilcoxon, over tasks"],
];

// The pair of two methods, seen from the first.
function pairOf(contest, a, b) {
  const found = contest.pairs.find((pair) => pair.a === a && pair.b === b);
  if (found) return found;
  const turned = contest.pairs.find((pair) => pair.a === b && pair.b === a);
  if (!turned) return null;
  return { ...turned, difference: -turned.difference, better: turned.worse, worse: turned.better };
}

function pairTip(pair, a, b) {
  const { difference, half } = pair;
  const interval =
    half === null ? "" : `95 % interval ${signed(difference - half)} to ${signed(difference + half)}`;
  const counts = `better ${pair.better}, equal ${pair.equal}, worse ${pair.worse} of ${pair.n} pairs`;
  const tests =
    `p (Holm): t ${pText(pair.tTest)}, Wilcoxon ${pText(pair.wilcoxon)}, ` +
    `over ${pair.tasks} tasks ${pText(pair.wilcoxonTasks)}`;
  return () => [
    el("b", {}, `${a.name} less ${b.name}: ${signed(difference)}`),
    el("div", {}, interval),
    el("div", {}, counts),
    el("div", { class: "dim" }, tests),
  ];
}

function pairCell(contest, test, a, b) {
  const pair = pairOf(contest, a.index, b.index);
  if (!pair) return el("td", { class: "none" }, a === b ? "" : "–");
  const clear = pair[test] !== null && pair[test] < 0.05;
  const side = pair.difference > 0 ? "better" : "worse";
  const names = { class: `pair ${side} ${clear ? "clear" : ""}`.trim(), "data-head": b.name };
  return explained(el("td", names, signed(pair.difference)), pairTip(pair, a, b));
}

function matrix(contest, test, methods) {
  const heads = methods.map((method) => el("th", { scope: "col", class: "plain" }, method.name));
  const points = [];
  const rows = methods.map((method, line) => {
    const cells = methods.map((other) => pairCell(contest, test, method, other));
    cells.forEach((node, column) => {
      // 50: columns are never taken for one another.
      if (node.classList.contains("pair")) points.push({ node, x: column * 50, y: line, line });
    });
    return el("tr", {}, el("th", { class: "text", scope: "row" }, nameNodes(method)), cells);
  });
  arrowKeys(points);
  return el(
    "table",
    {},
    el("caption", {}, "paired differences"),
    el("thead", {}, el("tr", {}, el("th", { class: "text plain" }, "method, less →"), heads)),
    el("tbody", {}, rows),
  );
}

function friedmanText(p) {
  if (p === null) return "";
  return `; Friedman p ${p < 0.001 ? "< 0.001" : `= ${p.toFixed(3)}`}`;
}

function rankBars(contest, methods) {
  const ranks = new Map(contest.ranks);
  const worst = Math.max(...ranks.values(), 1);
  const bars = methods.map((method) => {
    const rank = ranks.get(method.index);
    const width = `width:${((100 * rank) / worst).toFixed(1)}%`;
    const bar = el("span", { class: "bar series", "--colour": method.colour, style: width });
    return [el("span", {}, method.name), bar, el("span", {}, number(rank))];
  });
  const title = `Average rank over ${contest.ranked} units (1 is best)${friedmanText(contest.friedman)}`;
  return el("div", {}, el("p", { class: "note" }, title), el("div", { class: "rank" }, bars));
}

export function comparisonsSection(view) {
  const { methods, contests } = view.benchmark;
  const mine = contests.filter((contest) => contest.classes === view.kind);
  const state = { contest: mine[0], test: TESTS[0][0] };
  const choose = (key) => (value) => {
    state[key] = value;
    update();
  };
  const options = mine.map((contest) => [
    contest,
    contest.shots === null ? "all together" : shotsText(contest.shots),
  ]);
  const place = el("div");
  const node = card(
    "Paired comparisons",
    "Same tasks, images, seeds and views. Each field: mean difference of the row's method less the column's, in " +
      "points. ● and bold: p < 0.05 after Holm's correction. Seeds of a task share its test images, so tests over " +
      "tasks × seeds are optimistic; the test over tasks is cautious.",
    [
      options.length > 1 ? select("Shots", options, state.contest, choose("contest")) : null,
      select("Test", TESTS, state.test, choose("test")),
    ],
    place,
  );

  function update() {
    const { contest, test } = state;
    if (!contest) {
      place.replaceChildren(el("p", {}, "Fewer than two methods with runs that can be compared."));
      return;
    }
    const order = contest.ranks.map(([index]) => methods[index]);
    const ranked = order.filter((method) => !view.hidden.has(method.name));
    const box = tableBox(matrix(contest, test, ranked));
    place.replaceChildren(box.node, rankBars(contest, ranked));
    box.fit();
  }
  return { node, update };
}
