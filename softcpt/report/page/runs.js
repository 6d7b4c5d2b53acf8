// Every run, the settings, and what is missing.

function runsSection(view) {
  const {methods} = view.benchmark,
    several = view.benchmark.classes.length > 1;
  const place = el("div"),
    node = card("Runs", "Every run that was read.", [], place);
  const told = (run) => (methods[run[0]].zeroShot ? "" : shotsText(run[1]));
  const columns = [
    {title: "method", text: true, value: (run) => methods[run[0]].name, render: (run) => nameCell(methods[run[0]])},
    {
      title: "shots",
      value: (run) => (methods[run[0]].zeroShot ? 0 : run[1] < 0 ? Infinity : run[1]),
      render: (run) => [told(run) || "–"],
    },
    {title: "seed", value: (run) => run[2], render: (run) => [run[2] < 0 ? "–" : String(run[2])]},
    ...(several ? [{title: "classes", text: true, value: (run) => run[3], render: (run) => [run[3]]}] : []),
    {
      title: "mean, %",
      value: (run) => run[4],
      cell: (run) => ({class: run[4] === null ? "none" : null}),
      render: (run) => [run[4] === null ? "missing" : number(run[4])],
    },
    {
      title: "file",
      text: true,
      value: (run) => run[6][0],
      cell: () => ({class: "wrap dim"}),
      render: (run) => [run[6].slice(0, 3).join(", ") + (run[6].length > 3 ? ` and ${run[6].length - 3} more` : "")],
    },
  ];
  const rows = () => view.benchmark.runs.filter((run) => !view.hidden.has(methods[run[0]].name));
  const table = sortableTable({
    columns,
    rows: rows(),
    caption: "runs",
    tall: true,
    filter: (run) => `${methods[run[0]].name} ${told(run)} seed${run[2]} ${run[3]} ${run[6].join(" ")}`,
  });
  place.append(table.node);
  return {
    node,
    update: () => table.update(columns, rows()),
    pick(words) {
      table.filterBy(words);
      node.scrollIntoView({block: "start"});
      node.querySelector("input").focus();
    },
  };
}

function settingsSection(view) {
  const list = (entries) =>
    el(
      "div",
      {class: "scroll"},
      el(
        "table",
        {},
        el(
          "tbody",
          {},
          entries.map(([key, ...values]) =>
            el(
              "tr",
              {},
              el("th", {class: "text", scope: "row"}, key),
              values.map((value) => el("td", {class: "text wrap"}, value)),
            ),
          ),
        ),
      ),
    );
  const node = card("Settings and what is missing", null, []);
  const notes = [...view.benchmark.notes, ...DATA.leftOut.map(([path, why]) => `left out: ${path}: ${why}`)];
  if (DATA.ignored.length) notes.push(`settings not looked at: ${DATA.ignored.join(", ")}`);
  if (notes.length)
    node.append(
      el(
        "ul",
        {class: "notes"},
        notes.map((note) => el("li", {}, note)),
      ),
    );
  const differing = Object.entries(DATA.differing);
  if (differing.length) {
    node.append(
      el(
        "p",
        {class: "note"},
        `Runs were made under ${DATA.groups} different settings; only runs of one group are compared. This is group ` +
          `${view.benchmark.group}. What differs:`,
      ),
      list([
        ["", ...[...Array(DATA.groups).keys()].map((index) => `group ${index + 1}`)],
        ...differing.map(([key, values]) => [key, ...values]),
      ]),
    );
  }
  if (view.benchmark.ownSettings.length) {
    node.append(
      el("p", {class: "note"}, "Optimisation settings that differ between methods:"),
      list(view.benchmark.ownSettings),
    );
  }
  node.append(
    el(
      "details",
      {open: !differing.length},
      el("summary", {}, "The same in all runs"),
      list(Object.entries(DATA.shared)),
    ),
  );
  return {node, update() {}};
}
