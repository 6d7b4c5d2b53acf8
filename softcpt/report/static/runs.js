// Every run that was read.

import { number, shotsText } from "./data.js";
import { card, nameNodes } from "./elements.js";
import { sortableTable } from "./tables.js";

const SHOWN_PATHS = 3;

function pathsText(paths) {
  const more = paths.length - SHOWN_PATHS;
  return paths.slice(0, SHOWN_PATHS).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

export function runsSection(view) {
  const { methods, runs, classes } = view.benchmark;
  const methodOf = (run) => methods[run.method];
  const shotsOf = (run) => (methodOf(run).zeroShot ? "" : shotsText(run.shots));
  const shotsOrder = (run) => (methodOf(run).zeroShot ? 0 : run.shots < 0 ? Infinity : run.shots);
  const columns = [
    {
      title: "method",
      text: true,
      value: (run) => methodOf(run).name,
      render: (run) => nameNodes(methodOf(run)),
    },
    { title: "shots", value: shotsOrder, render: (run) => [shotsOf(run) || "–"] },
    {
      title: "seed",
      value: (run) => run.seed,
      render: (run) => [run.seed < 0 ? "–" : String(run.seed)],
    },
    { title: "classes", text: true, value: (run) => run.classes, render: (run) => [run.classes] },
    {
      title: "mean, %",
      value: (run) => run.mean,
      cell: (run) => ({ class: run.mean === null ? "none" : null }),
      render: (run) => [run.mean === null ? "missing" : number(run.mean)],
    },
    {
      title: "file",
      text: true,
      value: (run) => run.paths[0],
      cell: () => ({ class: "wrap dim" }),
      render: (run) => [pathsText(run.paths)],
    },
  ].filter(({ title }) => title !== "classes" || classes.length > 1);
  const words = (run) =>
    [methodOf(run).name, shotsOf(run), `seed${run.seed}`, run.classes, ...run.paths].join(" ");
  const table = sortableTable({ columns, rows: [], caption: "runs", filter: words, tall: true });
  const node = card("Runs", "Every run that was read.", [], table.node);

  function update() {
    table.update(
      columns,
      runs.filter((run) => !view.hidden.has(methodOf(run).name)),
    );
  }

  function pick(text) {
    table.filterBy(text);
    node.scrollIntoView({ block: "start" });
    table.search.focus();
  }
  return { node, update, pick };
}
