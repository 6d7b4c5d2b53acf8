// Settings, what differs between groups and methods, and what is missing.

import { DATA } from "./data.js";
import { card, el } from "./elements.js";
import { tableBox } from "./tables.js";

// rows: [key, value, ...]; head: the same, or null.
function list(caption, head, rows) {
  const cells = (values) => values.map((value) => el("td", { class: "text wrap" }, value));
  const body = rows.map(([key, ...values]) =>
    el("tr", {}, el("th", { class: "text", scope: "row" }, key), cells(values)),
  );
  const heads =
    head &&
    el(
      "tr",
      {},
      head.map((text) => el("th", { class: "text plain", scope: "col" }, text)),
    );
  for (const row of head ? body : []) {
    row.querySelectorAll("td").forEach((cell, index) => {
      cell.dataset.head = head[index + 1];
    });
  }
  return tableBox(
    el("table", {}, el("caption", {}, caption), heads && el("thead", {}, heads), el("tbody", {}, body)),
  );
}

function notesOf(view) {
  const notes = [...view.benchmark.notes, ...DATA.leftOut.map(([path, why]) => `left out: ${path}: ${why}`)];
  if (DATA.ignored.length) notes.push(`settings not looked at: ${DATA.ignored.join(", ")}`);
  return notes.length
    ? el(
        "ul",
        { class: "notes" },
        notes.map((note) => el("li", {}, note)),
      )
    : null;
}

export function settingsSection(view) {
  const differing = Object.entries(DATA.differing);
  const parts = [];
  const boxes = [];
  const add = (note, ...table) => {
    const box = list(...table);
    boxes.push(box);
    parts.push(el("p", { class: "note" }, note), box.node);
  };
  if (differing.length) {
    const groups = [...Array(DATA.groups).keys()].map((index) => `group ${index + 1}`);
    const note =
      `Runs were made under ${DATA.groups} different settings; only runs of one group are compared. This is group ` +
      `${view.benchmark.group}. What differs:`;
    add(
      note,
      "differing settings",
      ["setting", ...groups],
      differing.map(([key, values]) => [key, ...values]),
    );
  }
  const [head, ...rows] = view.benchmark.ownSettings;
  if (head) add("Optimisation settings that differ between methods:", "methods' own settings", head, rows);
  const shared = list("shared settings", null, Object.entries(DATA.shared));
  boxes.push(shared);
  const node = card(
    "Settings and what is missing",
    null,
    [],
    notesOf(view),
    parts,
    el("details", { open: !differing.length }, el("summary", {}, "The same in all runs"), shared.node),
  );
  const update = () => {
    for (const box of boxes) box.fit();
  };
  return { node, update };
}
