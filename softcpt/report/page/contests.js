// Methods against each other: paired comparisons, average ranks; base and new classes.

function contestSection(view) {
  const place = el("div");
  const state = {shots: null, test: 9};
  // pair: [a, b, pairs, a - b, half-width, better, equal, worse, p t, p Wilcoxon, p Wilcoxon over tasks, tasks]
  const mine = () => view.benchmark.contests.filter((contest) => contest.classes === view.kind);
  const options = mine().map((contest) => [
    contest.shots,
    contest.shots === null ? "all together" : shotsText(contest.shots),
  ]);
  if (options.length) [[state.shots]] = options;
  const tests = [
    [9, "Wilcoxon, over tasks × seeds"],
    [8, "t, over tasks × seeds"],
    [10, "Wilcoxon, over tasks"],
  ];
  const node = card(
    "Paired comparisons",
    "Same tasks, images, seeds and views. Each field: mean difference of the row's method less the column's, in " +
      "points. ● and bold: p < 0.05 after Holm's correction. Seeds of a task share its test images, so tests over " +
      "tasks × seeds are optimistic; the test over tasks is cautious.",
    [
      options.length > 1
        ? select("Shots", options, state.shots, (value) => {
            state.shots = value;
            update();
          })
        : null,
      select("Test", tests, 9, (value) => {
        state.test = value;
        update();
      }),
    ],
    place,
  );

  function update() {
    const contest = mine().find((each) => each.shots === state.shots) || mine()[0];
    if (!contest) {
      place.replaceChildren(el("p", {}, "Fewer than two methods with runs that can be compared."));
      return;
    }
    const methods = view.benchmark.methods;
    const order = contest.ranks.filter(([index]) => !view.hidden.has(methods[index].name));
    const find = (a, b) => contest.pairs.find((pair) => pair[0] === a && pair[1] === b);
    const rows = order.map(([index]) =>
      el(
        "tr",
        {},
        el("th", {class: "text", scope: "row"}, nameCell(methods[index])),
        order.map(([other]) => {
          const pair = find(index, other) || find(other, index);
          if (!pair) return el("td", {class: "none"}, index === other ? "" : "–");
          const sign = pair[0] === index ? 1 : -1,
            difference = pair[3] * sign,
            p = pair[state.test];
          const clear = p !== null && p < 0.05;
          const cell = el(
            "td",
            {tabindex: "0", class: `${difference > 0 ? "better" : "worse"}${clear ? " clear" : ""}`},
            signed(difference),
          );
          return explained(cell, () => [
            el("b", {}, `${methods[index].name} less ${methods[other].name}: ${signed(difference)}`),
            pair[4] === null ? "" : `95 % interval ${signed(difference - pair[4])} to ${signed(difference + pair[4])}`,
            el(
              "div",
              {},
              `better ${pair[sign > 0 ? 5 : 7]}, equal ${pair[6]}, worse ${pair[sign > 0 ? 7 : 5]} of ${pair[2]} pairs`,
            ),
            el(
              "div",
              {class: "dim"},
              `p (Holm): t ${pText(pair[8])}, Wilcoxon ${pText(pair[9])}, over ${pair[11]} tasks ${pText(pair[10])}`,
            ),
          ]);
        }),
      ),
    );
    const matrix = el(
      "table",
      {},
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          el("th", {class: "text plain"}, "method, less →"),
          order.map(([index]) => el("th", {scope: "col", class: "plain"}, methods[index].name)),
        ),
      ),
      el("tbody", {}, rows),
    );
    const worst = Math.max(...contest.ranks.map(([, rank]) => rank), 1);
    const ranks = el(
      "div",
      {},
      el(
        "p",
        {class: "note"},
        `Average rank over ${contest.ranked} units (1 is best)` +
          (contest.friedman === null
            ? ""
            : `; Friedman p ${contest.friedman < 0.001 ? "< 0.001" : `= ${contest.friedman.toFixed(3)}`}`),
      ),
      el(
        "div",
        {class: "rank"},
        order.flatMap(([index, rank]) => [
          el("span", {}, methods[index].name),
          el("span", {
            class: "bar series",
            "--colour": methods[index].colour,
            style: `width:${((100 * rank) / worst).toFixed(1)}%`,
          }),
          el("span", {}, number(rank)),
        ]),
      ),
    );
    place.replaceChildren(el("div", {class: "scroll"}, matrix), ranks);
  }
  return {node, update};
}

function baseNewSection(view) {
  const all = view.benchmark.baseNew;
  if (!all.length) return null;
  const state = {at: all.length - 1, task: 0},
    place = el("div");
  const node = card(
    "Base and new classes",
    "%, mean ± standard deviation over seeds; H is the harmonic mean of the two means.",
    [
      all.length > 1
        ? select(
            "Shots",
            all.map((each, index) => [index, shotsText(each.shots)]),
            state.at,
            (at) => {
              state.at = at;
              update();
            },
          )
        : null,
      view.benchmark.tasks.length > 1
        ? select(
            "Task",
            [[0, "mean over tasks"], ...view.benchmark.tasks.map((task, index) => [index + 1, task])],
            0,
            (task) => {
              state.task = task;
              update();
            },
          )
        : null,
    ],
    place,
  );
  let table = null;

  const cells = (method, kind) => {
    const {shots, cells: of} = view.benchmark.kinds[kind];
    return (of[method.index][method.zeroShot ? 0 : shots.indexOf(all[state.at].shots)] || [])[state.task] || null;
  };

  function update() {
    const methods = visible(view).filter((method) => cells(method, "base") || cells(method, "new"));
    const best = ["base", "new"].map((kind) =>
      bestOf(
        view,
        methods,
        methods.map((method) => cells(method, kind)),
        kind,
      ),
    );
    const rows = methods.map((method, index) => ({
      method,
      h: all[state.at].h[state.task][method.index],
      cells: ["base", "new"].map((kind) => cells(method, kind)),
      best: best.map((each) => each[index]),
    }));
    const columns = [
      {title: "method", text: true, value: (row) => row.method.name, render: (row) => nameCell(row.method)},
      ...["Base", "New"].map((title, at) => ({
        title,
        value: (row) => (row.cells[at] ? row.cells[at][0] : null),
        cell: (row) => ({class: row.best[at] ? "best" : row.cells[at] ? null : "none"}),
        render: (row) =>
          meanNodes(row.cells[at], row.method.zeroShot ? 0 : view.benchmark.kinds[title.toLowerCase()].seeds.length),
      })),
      {
        title: "H",
        value: (row) => row.h,
        cell: (row) => ({class: row.h === null ? "none" : null}),
        render: (row) => [row.h === null ? "missing" : number(row.h)],
      },
    ];
    if (table) table.update(columns, rows);
    else place.append((table = sortableTable({columns, rows})).node);
  }
  return {node, update};
}
