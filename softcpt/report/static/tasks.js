// Every task at one number of shots: tasks by methods.

import { bestOf, cellOf, expectedSeeds, kindOf, shotsText, shown } from "./data.js";
import { card, el, meanNodes, select } from "./elements.js";
import { sortableTable } from "./tables.js";

function taskRow(view, methods, column, task, index) {
  const cells = methods.map((method) => cellOf(view, method, column, index));
  const values = cells.filter(Boolean).map((cell) => cell.mean);
  const low = Math.min(...values);
  const high = Math.max(...values);
  const share = (cell) => (cell && high > low ? (cell.mean - low) / (high - low) : 0);
  return { task, index, cells, best: bestOf(view, methods, cells), shares: cells.map(share) };
}

const methodColumn = (view) => (method, index) => ({
  title: method.name,
  value: (row) => (row.cells[index] ? row.cells[index].mean : null),
  cell: (row) => ({
    class: row.cells[index] ? `tint${row.best[index] ? " best" : ""}` : "none",
    "--share": row.shares[index].toFixed(2),
  }),
  render: (row) => meanNodes(row.cells[index], expectedSeeds(view, method)),
});

export function tasksSection(view, showTask) {
  const { shots } = kindOf(view);
  let column = Math.max(0, shots.length - 1);
  const link = (row) =>
    el("button", { type: "button", class: "link", onclick: () => showTask(row.index) }, row.task);
  const first = { title: "task", text: true, value: (row) => row.task, render: (row) => [link(row)] };
  const table = sortableTable({
    columns: [first],
    rows: [],
    caption: "tasks",
    filter: (row) => row.task,
    tall: true,
  });
  const options = shots.map((each, index) => [index, shotsText(each)]);
  const shotsBox = select("Shots", options, column, (chosen) => {
    column = chosen;
    update();
  });
  const node = card(
    "Every task",
    "%, mean ± standard deviation over seeds; darker is higher among the methods. A task's name shows its curves.",
    [shots.length > 1 ? shotsBox : null],
    table.node,
  );

  function update() {
    const methods = shown(view);
    const rows = view.benchmark.tasks.map((task, index) => taskRow(view, methods, column, task, index));
    table.update([first, ...methods.map(methodColumn(view))], rows);
  }
  return { node, update };
}
