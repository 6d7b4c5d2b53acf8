// Accuracy against time and memory; relations of tasks.

function costSection(view) {
  // record: [method, shots, classes, seed, parameters, seconds without images, of images, bytes, mean over tasks]
  const records = view.benchmark.cost;
  if (!records.length) return null;
  const axes = [
    ["seconds, without encoding images", (r) => r[5]],
    ["seconds, all in", (r) => (r[5] === null ? null : r[5] + (r[6] || 0))],
    ["peak memory, MB", (r) => (r[7] === null ? null : r[7] / 1e6)],
    ["trainable parameters", (r) => r[4]],
  ];
  const state = {axis: 0},
    place = el("div", {class: "scroll"});
  const node = card(
    "Accuracy against cost",
    "Means over seeds; a method's numbers of shots are joined. With a feature bank images are encoded once " +
      "for all methods, by whichever run came first.",
    [
      select(
        "Against",
        axes.map(([text], index) => [index, text]),
        0,
        (axis) => {
          state.axis = axis;
          update();
        },
      ),
    ],
    place,
  );
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

  function update() {
    const [xTitle, value] = axes[state.axis],
      kind = view.kind === "new" ? "base" : view.kind;
    const lines = shown(view).map((method) => {
      const mine = records.filter((r) => r[0] === method.index && r[2] === kind && r[8] !== null && value(r) !== null);
      const points = [...new Set(mine.map((r) => r[1]))].map((shots) => {
        const runs = mine.filter((r) => r[1] === shots),
          x = mean(runs.map(value)),
          y = mean(runs.map((r) => r[8]));
        const told = `${method.name}, ${shotsText(shots)}`;
        return {
          x,
          y,
          label: `${told}: ${number(y)} %, ${number(x, 1)} ${xTitle}`,
          tip: () => [
            el("b", {}, told),
            el("div", {}, `${number(y)} %`),
            ...axes
              .map(([text, of]) => [text, runs.map(of).filter((each) => each !== null)])
              .filter(([, values]) => values.length)
              .map(([text, values]) =>
                el("div", {class: "dim"}, `${text}: ${number(mean(values), text.startsWith("seconds") ? 1 : 0)}`),
              ),
          ],
        };
      });
      return {...method, points};
    });
    place.replaceChildren(
      scatterChart({lines, xTitle, yTitle: "mean over tasks, %", title: `accuracy against ${xTitle}`}),
    );
  }
  return {node, update};
}

function relationsSection(view) {
  const all = view.benchmark.relations;
  if (!all.length) return null;
  const place = el("div", {class: "scroll"});
  const draw = (index) =>
    place.replaceChildren(
      heatMap({
        names: all[index].tasks,
        values: all[index].similarity,
        title: `relations of tasks, ${view.benchmark.methods[all[index].method].name}`,
      }),
    );
  const node = card(
    "Relations of tasks",
    "Cosine between the contexts of two tasks, less the mean context of all tasks; mean over seeds. Red: alike, " +
      "blue: unlike. Alike tasks are neighbours.",
    [
      select(
        "Method",
        all.map((each, index) => [index, `${view.benchmark.methods[each.method].name}, ${each.shots}`]),
        0,
        draw,
      ),
      el("span", {class: "dim controls", "aria-hidden": "true"}, "−1", el("span", {class: "legend"}), "1"),
    ],
    place,
  );
  draw(0);
  return {node, update() {}};
}
