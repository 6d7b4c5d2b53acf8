// Accuracy: curves, few-shot table, every task. A section is {node, update()}; update draws again after a change.

function card(title, intro, controls, ...content) {
  const id = `section-${title.toLowerCase().replace(/[^a-z]+/g, "-")}`;
  return el(
    "section",
    {"aria-labelledby": id},
    el("h2", {id}, title),
    intro ? el("p", {class: "dim"}, intro) : null,
    controls && controls.length ? el("div", {class: "controls"}, controls) : null,
    ...content,
  );
}

const kindOf = (view) => view.benchmark.kinds[view.kind];
const visible = (view) =>
  view.benchmark.methods.map((method, index) => ({...method, index})).filter((method) => !view.hidden.has(method.name));
// Of these, the ones that were run on the chosen classes.
const shown = (view) =>
  visible(view).filter((method) => kindOf(view).cells[method.index].some((tasks) => tasks.some(Boolean)));
const cellOf = (view, method, column, task) => {
  const columns = kindOf(view).cells[method.index];
  return (columns[method.zeroShot ? 0 : column] || [])[task + 1] || null;
};
const expectedOf = (view, method) => (method.zeroShot ? 0 : kindOf(view).seeds.length);
const nameCell = (method) => [swatch(method), method.name];

function runLines(view, method, shots, task) {
  const wanted = view.benchmark.runs.filter(
    (run) => run[0] === method.index && run[3] === view.kind && (method.zeroShot || run[1] === shots),
  );
  return wanted
    .slice(0, 10)
    .map((run) => {
      const value = task < 0 ? run[4] : run[5][task];
      const path = run[6][0] + (run[6].length > 1 ? ` and ${run[6].length - 1} more` : "");
      return el(
        "div",
        {},
        `seed ${run[2]}: ${value === null ? "missing" : number(value)} `,
        el("span", {class: "path"}, path),
      );
    })
    .concat(wanted.length > 10 ? [el("div", {class: "dim"}, `and ${wanted.length - 10} more`)] : []);
}

function cellTip(view, method, shots, task, cell) {
  const where = method.zeroShot ? "zero-shot" : shotsText(shots);
  return () => [
    el("b", {}, `${method.name}, ${where}`),
    el("div", {}, meanNodes(cell, expectedOf(view, method)), " %"),
    el("div", {class: "dim"}, `${intervalText(cell)}; ${cell[3]} ${cell[3] === 1 ? "seed" : "seeds"}`),
    runLines(view, method, shots, task),
  ];
}

function curvesSection(view, pick) {
  const state = {task: -1, spread: "std", published: view.benchmark.methods.length <= 5};
  const place = el("div", {class: "scroll"});
  const tasks = [
    [-1, `mean over ${view.benchmark.tasks.length} tasks`],
    ...view.benchmark.tasks.map((task, index) => [index, task]),
  ];
  const taskBox = select("Task", tasks, -1, (task) => {
    state.task = task;
    update();
  });
  const controls = [
    view.benchmark.tasks.length > 1 ? taskBox : null,
    select(
      "Whiskers",
      [
        ["std", "standard deviation"],
        ["interval", "95 % interval"],
        ["none", "none"],
      ],
      "std",
      (value) => {
        state.spread = value;
        update();
      },
    ),
    view.benchmark.published.length
      ? checkbox("published", state.published, (value) => {
          state.published = value;
          update();
        })
      : null,
  ];
  const node = card(
    "Few-shot curves",
    "Means over seeds. Point at a dot, or reach it with Tab and the arrow keys, to see its runs; " +
      "click or Enter lists them below. Hollow: not all seeds are there.",
    controls,
    place,
  );

  function publishedLines(shots) {
    return view.benchmark.published
      .filter((row) => row.ours.length && !view.hidden.has(view.benchmark.methods[row.ours[0]].name))
      .map((row) => {
        const method = view.benchmark.methods[row.ours[0]],
          name = `${row.name} (published)`;
        const entries = shots
          .map((each, index) => [index + 1, row.shots[each], shotsText(each)])
          .filter((entry) => entry[1]);
        if (!entries.length) entries.push([0, row.average, "zero-shot"]);
        return {
          name,
          colour: method.colour,
          marker: method.marker,
          dashed: true,
          points: entries.map(([column, cell, where]) => ({
            column,
            cell: [...cell, null, 3],
            label: `${name}, ${where}: ${number(cell[0])}`,
            tip: () => [
              el("b", {}, `${name}, ${where}`),
              `${number(cell[0])} ± ${number(cell[1])} %`,
              el("div", {class: "dim"}, DATA.publishedSource),
            ],
          })),
        };
      });
  }

  function curvePoint(method, shots, column) {
    const cell = cellOf(view, method, column - 1, state.task);
    if (!cell) return [];
    const where = method.zeroShot ? "zero-shot" : shotsText(shots);
    return [
      {
        column: method.zeroShot ? 0 : column,
        cell,
        hollow: cell[3] < expectedOf(view, method),
        label: `${method.name}, ${where}: ${number(cell[0])} ± ${number(cell[1])}, n ${cell[3]}`,
        tip: cellTip(view, method, shots, state.task, cell),
        pick: `${method.name} ${method.zeroShot ? "" : where}`,
      },
    ];
  }

  function update() {
    const {shots} = kindOf(view);
    const lines = shown(view).map((method) => ({
      ...method,
      points: (method.zeroShot ? [0] : shots).flatMap((each, index) => curvePoint(method, each, index + 1)),
    }));
    if (state.published && state.task < 0 && view.kind === "all") lines.push(...publishedLines(shots));
    const title = tasks.find(([key]) => key === state.task)[1];
    place.replaceChildren(
      curveChart({
        lines,
        columns: ["0", ...shots.map((each) => shotsText(each).replace("-shot", ""))],
        title,
        spread: state.spread,
        yTitle: `${title}, %`,
        onpick: pick,
      }),
    );
  }
  return {
    node,
    update,
    showTask(task) {
      state.task = task;
      taskBox.querySelector("select").selectedIndex = task + 1;
      update();
      node.scrollIntoView({block: "start"});
    },
  };
}

// Which cells hold the highest mean, of those over all seeds.
function bestOf(view, methods, cells, kind = view.kind) {
  const expected = view.benchmark.kinds[kind].seeds.length;
  const whole = methods.map((method, index) =>
    method.verified && cells[index] && (method.zeroShot || cells[index][3] >= expected)
      ? +cells[index][0].toFixed(2)
      : null,
  );
  const values = whole.filter((value) => value !== null),
    highest = Math.max(...values);
  return whole.map((value) => values.length > 1 && value === highest);
}

function fewShotSection(view) {
  const place = el("div");
  const node = card(
    "Few-shot table",
    "%, mean ± population standard deviation over seeds, as papers print it. Avg.: mean of the means " +
      "± mean of the deviations. Bold: highest mean over all seeds.",
    [],
    place,
  );
  let table = null;

  function update() {
    const kind = kindOf(view),
      methods = shown(view),
      several = kind.shots.length !== 1;
    const columns = kind.shots.map((shots, index) => ({
      title: shotsText(shots),
      of: (method) => (method.zeroShot && several ? null : cellOf(view, method, index, -1)),
      published: (row) => row.shots[shots],
    }));
    if (several)
      columns.push({title: "Avg.", of: (method) => kind.average[method.index], published: (row) => row.average});
    const best = columns.map((column) => bestOf(view, methods, methods.map(column.of)));
    const rows = methods.map((method, index) => ({
      name: method.name,
      nodes: nameCell(method),
      cells: columns.map((column) => column.of(method)),
      best: best.map((each) => each[index]),
      expected: expectedOf(view, method),
      absent: method.zeroShot ? "–" : "missing",
    }));
    if (view.kind === "all") {
      for (const row of view.benchmark.published) {
        const cells = columns.map((column) => (column.published(row) ? [...column.published(row), null, 3] : null));
        const entry = {
          name: `${row.name} (published)`,
          nodes: [`${row.name} (published)`],
          cells,
          best: [],
          expected: 0,
          absent: "–",
          attributes: {class: "published"},
        };
        const ours = rows.findIndex((each) =>
          row.ours.some((index) => view.benchmark.methods[index].name === each.name),
        );
        rows.splice(ours < 0 ? rows.length : ours + 1, 0, entry);
      }
    }
    const described = [
      {title: "method", text: true, value: (row) => row.name, render: (row) => row.nodes},
      ...columns.map((column, index) => ({
        title: column.title,
        value: (row) => (row.cells[index] ? row.cells[index][0] : null),
        cell: (row) => ({
          class: row.best[index] ? "best" : row.cells[index] ? null : "none",
          title: row.cells[index] && row.expected ? intervalText(row.cells[index]) : null,
        }),
        render: (row) => meanNodes(row.cells[index], row.expected, row.absent),
      })),
    ];
    if (table) table.update(described, rows);
    else place.append((table = sortableTable({columns: described, rows})).node);
  }
  const remarks = view.benchmark.published.length
    ? el(
        "div",
        {class: "note"},
        `Published: ${DATA.publishedSource}.`,
        el(
          "ul",
          {class: "notes"},
          DATA.publishedRemarks.map((remark) => el("li", {}, remark)),
        ),
      )
    : null;
  if (remarks) node.append(remarks);
  return {node, update};
}

function tasksSection(view, showTask) {
  const {shots} = kindOf(view);
  const state = {column: Math.max(0, shots.length - 1)};
  const place = el("div");
  const controls = [
    shots.length > 1
      ? select(
          "Shots",
          shots.map((each, index) => [index, shotsText(each)]),
          state.column,
          (column) => {
            state.column = column;
            update();
          },
        )
      : null,
  ];
  const node = card(
    "Every task",
    "%, mean ± standard deviation over seeds; darker is higher among the methods. A task's name shows its curves.",
    controls,
    place,
  );
  let table = null;

  function update() {
    const methods = shown(view);
    const rows = view.benchmark.tasks.map((task, index) => {
      const cells = methods.map((method) => cellOf(view, method, state.column, index));
      const values = cells.filter(Boolean).map((cell) => cell[0]),
        low = Math.min(...values),
        high = Math.max(...values);
      return {
        task,
        index,
        cells,
        best: bestOf(view, methods, cells),
        shares: cells.map((cell) => (cell && high > low ? (cell[0] - low) / (high - low) : 0)),
      };
    });
    const columns = [
      {
        title: "task",
        text: true,
        value: (row) => row.task,
        render: (row) => [el("button", {type: "button", class: "link", onclick: () => showTask(row.index)}, row.task)],
      },
      ...methods.map((method, index) => ({
        title: method.name,
        value: (row) => (row.cells[index] ? row.cells[index][0] : null),
        cell: (row) => ({
          class: row.cells[index] ? `tint${row.best[index] ? " best" : ""}` : "none",
          "--share": row.shares[index].toFixed(2),
        }),
        render: (row) => meanNodes(row.cells[index], expectedOf(view, method)),
      })),
    ];
    if (table) table.update(columns, rows);
    else
      place.append(
        (table = sortableTable({columns, rows, caption: "tasks", filter: (row) => row.task, tall: true})).node,
      );
  }
  return {node, update};
}
