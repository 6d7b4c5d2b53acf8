// Tables that sort by a click (or Enter) on a head, and filter by words.

// column: {title, value(row): what is sorted by, render(row): nodes, text: left-aligned, cell(row): its attributes}
function sortableTable({columns, rows, caption, sort = null, filter = null, tall = false}) {
  const state = {sort, words: ""};
  const head = el("tr"),
    body = el("tbody");
  const table = el("table", {}, caption ? el("caption", {}, caption) : null, el("thead", {}, head), body);
  const count = el("span", {class: "dim", role: "status"});
  let now = {columns, rows};

  function drawHead() {
    head.replaceChildren(
      ...now.columns.map((column, index) => {
        const sorted =
          state.sort && state.sort.title === column.title ? (state.sort.down ? "descending" : "ascending") : null;
        return el(
          "th",
          {scope: "col", class: column.text ? "text" : null, "aria-sort": sorted},
          el("button", {type: "button", onclick: () => sortBy(index)}, column.title),
        );
      }),
    );
  }

  function sortBy(index) {
    const column = now.columns[index];
    const first = !column.text; // numbers: the highest first
    state.sort = {
      title: column.title,
      down: state.sort && state.sort.title === column.title ? !state.sort.down : first,
    };
    drawHead();
    drawBody();
    head.children[index].firstChild.focus();
  }

  function order(rows) {
    const column = state.sort && now.columns.find((each) => each.title === state.sort.title);
    if (!column) return rows;
    const {value} = column,
      {down} = state.sort;
    return [...rows].sort((a, b) => {
      const x = value(a),
        y = value(b);
      if (x === null || y === null) return (x === null) - (y === null); // what is missing comes last either way
      return (typeof x === "string" ? x.localeCompare(y, "en", {numeric: true}) : x - y) * (down ? -1 : 1);
    });
  }

  function drawBody() {
    const words = state.words.toLowerCase().split(/\s+/).filter(Boolean);
    const shown = now.rows.filter((row) => !filter || words.every((word) => filter(row).toLowerCase().includes(word)));
    body.replaceChildren(
      ...order(shown).map((row) =>
        el(
          "tr",
          row.attributes || {},
          now.columns.map((column, index) =>
            el(
              index ? "td" : "th",
              {
                scope: index ? null : "row",
                ...(column.cell ? column.cell(row) : {}),
                class:
                  [column.text ? "text" : "", (column.cell && column.cell(row).class) || ""].join(" ").trim() || null,
              },
              column.render(row),
            ),
          ),
        ),
      ),
    );
    count.textContent = filter ? `${shown.length} of ${now.rows.length}` : "";
  }

  const box = filter
    ? el(
        "div",
        {class: "controls"},
        el(
          "label",
          {},
          "Filter",
          el("input", {
            type: "search",
            placeholder: "words",
            oninput: (event) => {
              state.words = event.target.value;
              drawBody();
            },
          }),
        ),
        count,
      )
    : null;
  const node = el(
    "div",
    {},
    box,
    el(
      "div",
      {
        class: tall ? "scroll tall" : "scroll",
        tabindex: tall ? "0" : null,
        role: tall ? "region" : null,
        "aria-label": tall ? caption || "table" : null,
      },
      table,
    ),
  );
  const update = (columns, rows) => {
    now = {columns, rows};
    drawHead();
    drawBody();
  };
  update(columns, rows);
  return {
    node,
    update,
    filterBy(words) {
      box.querySelector("input").value = words;
      state.words = words;
      drawBody();
    },
  };
}
