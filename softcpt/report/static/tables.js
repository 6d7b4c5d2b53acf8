// Tables: sorted by a click (or Enter) on a head, filtered by words, and stacked where they do not fit.

import { el } from "./elements.js";

const NARROW = 660;

// A table in a box that scrolls sideways; on a narrow screen rows become blocks instead, so that nothing is cut.
export function tableBox(table, attributes = {}) {
  const node = el("div", { ...attributes, class: `scroll ${attributes.class || ""}`.trim() }, table);
  const fit = () => {
    node.classList.remove("stacked");
    node.classList.toggle("stacked", innerWidth < NARROW && table.scrollWidth > node.clientWidth);
  };
  return { node, fit };
}

// column: {title, value(row): what is sorted by, render(row): nodes, text: left-aligned, cell(row): attributes}
export function sortableTable({ columns, rows, caption, filter = null, tall = false }) {
  let now = { columns, rows };
  let sort = null; // {title, down}
  let words = [];
  const head = el("tr");
  const body = el("tbody");
  const table = el("table", {}, el("caption", {}, caption), el("thead", {}, head), body);
  const count = el("span", { class: "dim", role: "status" });
  const search = el("input", {
    type: "search",
    placeholder: "words",
    oninput: () => filterBy(search.value),
  });
  const box = tall
    ? tableBox(table, { class: "tall", tabindex: "0", role: "region", "aria-label": caption })
    : tableBox(table);

  function sortBy(column, index) {
    const again = sort && sort.title === column.title;
    sort = { title: column.title, down: again ? !sort.down : !column.text }; // numbers: the highest first
    draw();
    head.children[index].firstChild.focus();
  }

  function headCell(column, index) {
    const sorted = sort && sort.title === column.title;
    const order = sorted ? (sort.down ? "descending" : "ascending") : null;
    const button = el("button", { type: "button", onclick: () => sortBy(column, index) }, column.title);
    return el("th", { scope: "col", class: column.text ? "text" : null, "aria-sort": order }, button);
  }

  function bodyCell(row, column, index) {
    const { class: own, ...attributes } = column.cell ? column.cell(row) : {};
    const names = [column.text ? "text" : null, own].filter(Boolean).join(" ") || null;
    const nodes = column.render(row);
    if (index) return el("td", { ...attributes, class: names, "data-head": column.title }, nodes);
    return el("th", { ...attributes, class: names, scope: "row" }, nodes);
  }

  function sortedRows(found) {
    const column = sort && now.columns.find((each) => each.title === sort.title);
    return column ? [...found].sort((a, b) => compare(column.value(a), column.value(b), sort.down)) : found;
  }

  function draw() {
    const found = now.rows.filter((row) => words.every((word) => filter(row).toLowerCase().includes(word)));
    head.replaceChildren(...now.columns.map(headCell));
    body.replaceChildren(
      ...sortedRows(found).map((row) =>
        el(
          "tr",
          { class: row.className },
          now.columns.map((column, index) => bodyCell(row, column, index)),
        ),
      ),
    );
    count.textContent = `${found.length} of ${now.rows.length}`;
    box.fit();
  }

  function filterBy(text) {
    search.value = text;
    words = text.toLowerCase().split(/\s+/).filter(Boolean);
    draw();
  }

  const controls = filter ? el("div", { class: "controls" }, el("label", {}, "Filter", search), count) : null;
  return {
    node: el("div", {}, controls, box.node),
    search,
    filterBy,
    update(newColumns, newRows) {
      now = { columns: newColumns, rows: newRows };
      draw();
    },
  };
}

// What is missing comes last either way.
function compare(a, b, down) {
  if (a === null || b === null) return (a === null) - (b === null);
  const order = typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a - b;
  return down ? -order : order;
}
