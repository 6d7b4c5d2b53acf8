// Every class of a task under one method, and the pairs of classes that it confuses.

import { number, shotsText } from "./data.js";
import { card, el, select } from "./elements.js";
import { sortableTable } from "./tables.js";

// Counts are written in base 36, a digit each, or with commas between them.
const counts = (text) => (text.includes(",") ? text.split(",") : [...text]).map((each) => parseInt(each, 36));

const percent = (part, whole) => (whole ? (100 * part) / whole : null);

const classColumn = (title) => ({
  title,
  text: true,
  value: (row) => row.name,
  cell: () => ({ class: "name" }),
  render: (row) => [row.name],
});

const countColumn = (title, key) => ({
  title,
  value: (row) => row[key],
  render: (row) => [number(row[key], 0)],
});

const CLASS_COLUMNS = [
  classColumn("class"),
  countColumn("images", "images"),
  countColumn("right", "correct"),
  {
    title: "accuracy, %",
    value: (row) => row.accuracy,
    cell: (row) => ({
      class: row.accuracy === null ? "none" : "tint",
      "--share": ((row.accuracy ?? 0) / 100).toFixed(2),
    }),
    render: (row) => [number(row.accuracy)],
  },
];

const PAIR_COLUMNS = [
  classColumn("class"),
  {
    title: "taken for",
    text: true,
    value: (row) => row.predicted,
    cell: () => ({ class: "name" }),
    render: (row) => [row.predicted],
  },
  countColumn("images", "images"),
  { title: "of the class, %", value: (row) => row.share, render: (row) => [number(row.share)] },
];

function classRows(known, run, task) {
  if (!run.correct[task]) return [];
  const correct = counts(run.correct[task]);
  const images = counts(known.images[run.images][task]);
  return known.names[run.names][task].map((name, index) => ({
    name,
    images: images[index],
    correct: correct[index],
    accuracy: percent(correct[index], images[index]),
  }));
}

// Three numbers for each pair: the class, the other, and how many images.
function pairRows(known, run, task) {
  const written = run.pairs[task];
  if (!written) return [];
  const names = known.names[run.names][task];
  const all = counts(known.images[run.images][task]);
  return Array.from({ length: written.length / 3 }, (_, index) => {
    const [truth, predicted, images] = written.slice(3 * index, 3 * index + 3);
    return { name: names[truth], predicted: names[predicted], images, share: percent(images, all[truth]) };
  });
}

export function classesSection(view) {
  const { methods, tasks, perClass } = view.benchmark;
  const runs = perClass.rows.filter((run) => run.classes === view.kind);
  if (!runs.length) return null;
  const nameOf = (run) => {
    const { name, zeroShot } = methods[run.method];
    const seeds = run.seeds > 1 ? `, ${run.seeds} seeds` : "";
    return zeroShot ? name : `${name}, ${shotsText(run.shots)}${seeds}`;
  };
  let chosen = runs[runs.length - 1];
  let task = 0;
  const classes = sortableTable({
    columns: CLASS_COLUMNS,
    rows: [],
    caption: "classes",
    filter: (row) => row.name,
    tall: true,
  });
  const pairs = sortableTable({ columns: PAIR_COLUMNS, rows: [], caption: "confused classes" });
  const none = el("p", { class: "dim", role: "status" });
  const methodBox = select(
    "Of",
    runs.map((run) => [run, nameOf(run)]),
    chosen,
    (run) => {
      chosen = run;
      update();
    },
  );
  const taskBox = select(
    "Task",
    tasks.map((name, index) => [index, name]),
    task,
    (index) => {
      task = index;
      update();
    },
  );
  const node = card(
    "Classes and confusions",
    "Test images of every class, and the pairs of classes that are confused most; of several seeds the sums.",
    [methodBox, tasks.length > 1 ? taskBox : null],
    el("div", { class: "beside" }, classes.node, el("div", {}, pairs.node, none)),
  );

  function update() {
    const rows = classRows(perClass, chosen, task);
    const confused = pairRows(perClass, chosen, task);
    classes.update(CLASS_COLUMNS, rows);
    pairs.update(PAIR_COLUMNS, confused);
    pairs.node.hidden = !confused.length;
    none.hidden = confused.length > 0;
    none.textContent = rows.length
      ? "No image was taken for another class."
      : "The files do not say it of this task.";
  }
  return { node, update };
}
