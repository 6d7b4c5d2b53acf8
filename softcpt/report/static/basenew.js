// Base classes, new classes and their harmonic mean.

import { bestOf, number, shotsText, visible } from "./data.js";
import { card, meanNodes, nameNodes, select } from "./elements.js";
import { sortableTable } from "./tables.js";

const KINDS = ["base", "new"];

function kindCell(view, state, method, kind) {
  const { shots, cells } = view.benchmark.kinds[kind];
  const column = method.zeroShot ? 0 : shots.indexOf(state.chosen.shots);
  const tasks = cells[method.index][column] || [];
  return tasks[state.task] || null;
}

function rowsOf(view, state) {
  const cells = (method) => KINDS.map((kind) => kindCell(view, state, method, kind));
  const methods = visible(view).filter((method) => cells(method).some(Boolean));
  const best = KINDS.map((kind) => {
    const column = methods.map((method) => kindCell(view, state, method, kind));
    return bestOf(view, methods, column, kind);
  });
  return methods.map((method, index) => ({
    method,
    cells: cells(method),
    best: best.map((each) => each[index]),
    h: state.chosen.h[state.task][method.index],
  }));
}

const kindColumn = (view) => (kind, at) => ({
  title: kind === "base" ? "Base" : "New",
  value: (row) => (row.cells[at] ? row.cells[at].mean : null),
  cell: (row) => ({ class: row.best[at] ? "best" : row.cells[at] ? null : "none" }),
  render: (row) => {
    const expected = row.method.zeroShot ? 0 : view.benchmark.kinds[kind].seeds.length;
    return meanNodes(row.cells[at], expected);
  },
});

export function baseNewSection(view) {
  const { baseNew, tasks } = view.benchmark;
  if (!baseNew.length) return null;
  const state = { chosen: baseNew[baseNew.length - 1], task: 0 }; // task 0 is the mean over tasks
  const choose = (key) => (value) => {
    state[key] = value;
    update();
  };
  const shots = baseNew.map((each) => [each, shotsText(each.shots)]);
  const names = ["mean over tasks", ...tasks].map((name, index) => [index, name]);
  const columns = [
    {
      title: "method",
      text: true,
      value: (row) => row.method.name,
      render: (row) => nameNodes(row.method),
    },
    ...KINDS.map(kindColumn(view)),
    {
      title: "H",
      value: (row) => row.h,
      cell: (row) => ({ class: row.h === null ? "none" : null }),
      render: (row) => [row.h === null ? "missing" : number(row.h)],
    },
  ];
  const table = sortableTable({ columns, rows: [], caption: "base and new classes" });
  const node = card(
    "Base and new classes",
    "%, mean ± standard deviation over seeds; H is the harmonic mean of the two means.",
    [
      shots.length > 1 ? select("Shots", shots, state.chosen, choose("chosen")) : null,
      tasks.length > 1 ? select("Task", names, 0, choose("task")) : null,
    ],
    table.node,
  );
  const update = () => table.update(columns, rowsOf(view, state));
  return { node, update };
}
