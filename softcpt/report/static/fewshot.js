// The few-shot table: methods and published rows by numbers of shots.

import { bestOf, cell, cellOf, DATA, expectedSeeds, intervalText, kindOf, shotsText, shown } from "./data.js";
import { card, el, meanNodes, nameNodes } from "./elements.js";
import { sortableTable } from "./tables.js";

// For every column what a method and what a published row has there.
function columnsOf(view) {
  const { shots, average } = kindOf(view);
  const several = shots.length !== 1;
  const columns = shots.map((each, index) => ({
    title: shotsText(each),
    cell: (method) => (method.zeroShot && several ? null : cellOf(view, method, index, -1)),
    published: (row) => row.shots[each],
  }));
  if (several) {
    columns.push({
      title: "Avg.",
      cell: (method) => average[method.index],
      published: (row) => row.average,
    });
  }
  return columns;
}

function methodRows(view, columns) {
  const methods = shown(view);
  const best = columns.map((column) => bestOf(view, methods, methods.map(column.cell)));
  return methods.map((method, index) => ({
    name: method.name,
    nodes: nameNodes(method),
    cells: columns.map((column) => column.cell(method)),
    best: best.map((each) => each[index]),
    expected: expectedSeeds(view, method),
    absent: method.zeroShot ? "–" : "missing",
  }));
}

function publishedRow(row, columns) {
  const cells = columns.map((column) => {
    const found = column.published(row);
    return found ? cell([...found, null, 3]) : null;
  });
  const { name } = row;
  return { name, nodes: [name], cells, best: [], expected: 0, absent: "–", className: "published" };
}

// A published row stands right below the method it is of; other people's methods stand at the end.
function addPublished(view, rows, columns) {
  for (const row of view.benchmark.published) {
    const names = row.ours.map((index) => view.benchmark.methods[index].name);
    const ours = rows.findIndex((each) => names.includes(each.name));
    rows.splice(ours < 0 ? rows.length : ours + 1, 0, publishedRow(row, columns));
  }
}

const tableColumn = ({ title }, index) => ({
  title,
  value: (row) => (row.cells[index] ? row.cells[index].mean : null),
  cell: (row) => {
    const found = row.cells[index];
    return {
      class: row.best[index] ? "best" : found ? null : "none",
      title: found && (row.expected || found.low !== null) ? intervalText(found) : null,
    };
  },
  render: (row) => meanNodes(row.cells[index], row.expected, row.absent),
});

function remarks() {
  const items = DATA.publishedRemarks.map((remark) => el("li", {}, remark));
  return el(
    "div",
    { class: "note" },
    `Published: ${DATA.publishedSource}.`,
    el("ul", { class: "notes" }, items),
  );
}

export function fewShotSection(view) {
  const columns = columnsOf(view);
  const described = [
    { title: "method", text: true, value: (row) => row.name, render: (row) => row.nodes },
    ...columns.map(tableColumn),
  ];
  const table = sortableTable({ columns: described, rows: [], caption: "few-shot table" });
  const node = card(
    "Few-shot table",
    "%, mean ± population standard deviation over seeds, as papers print it. Avg.: mean of the means " +
      "± mean of the deviations. Bold: highest mean over all seeds.",
    [],
    table.node,
    view.benchmark.published.length ? remarks() : null,
  );

  function update() {
    const rows = methodRows(view, columns);
    if (view.kind === "all") addPublished(view, rows, columns);
    table.update(described, rows);
  }
  return { node, update };
}
