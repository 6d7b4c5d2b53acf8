// Figures beside the one that methods are compared by: top-5, macro-F1, chance, calibration.

import { expectedSeeds } from "./data.js";
import { card, meanNodes, nameNodes } from "./elements.js";
import { sortableTable } from "./tables.js";

const ERRORS =
  " MAE of a task whose classes are numbers: mean absolute error of the expected value, in their unit and not in %; lower " +
  "is better.";

const figureColumn = (view) => (title, at) => ({
  title,
  value: (row) => (row.cells[at] ? row.cells[at].mean : null),
  cell: (row) => ({ class: row.cells[at] ? null : "none" }),
  render: (row) => meanNodes(row.cells[at], expectedSeeds(view, row.method), "–"),
});

function figuresRows(view) {
  const { methods, figures } = view.benchmark;
  return figures.rows
    .filter((row) => row.classes === view.kind && !view.hidden.has(methods[row.method].name))
    .map((row) => ({ ...row, method: methods[row.method] }));
}

export function figuresSection(view) {
  const { heads, rows } = view.benchmark.figures;
  if (!rows.length) return null;
  const columns = [
    {
      title: "method",
      text: true,
      value: (row) => row.method.name,
      render: (row) => nameNodes(row.method),
    },
    { title: "shots", text: true, value: (row) => row.where, render: (row) => [row.where] },
    ...heads.map(figureColumn(view)),
  ];
  const table = sortableTable({ columns, rows: [], caption: "more figures" });
  const node = card(
    "More figures",
    "%, mean over tasks ± standard deviation over seeds. Chance: accuracy of guessing. ECE: expected calibration error " +
      "over 15 bins, among the classes of the image's own task; lower is better. A dash stands where a file does not say it." +
      (heads.some((head) => head.startsWith("MAE")) ? ERRORS : ""),
    [],
    table.node,
  );
  const update = () => table.update(columns, figuresRows(view));
  return { node, update };
}
