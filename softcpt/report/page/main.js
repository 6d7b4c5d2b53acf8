// What is shown, the toolbar, and the sections of the chosen benchmark.

const main = document.getElementById("main"),
  toolbar = document.getElementById("toolbar");
let view = null;

function openBenchmark(index) {
  const benchmark = DATA.benchmarks[index];
  view = {benchmark, index, kind: benchmark.classes[0], hidden: new Set()};
  draw();
}

function draw() {
  hideTip();
  const runs = runsSection(view);
  const curves = curvesSection(view, runs.pick);
  const tasks = view.benchmark.tasks.length > 1 ? tasksSection(view, curves.showTask) : null;
  view.sections = [
    curves,
    fewShotSection(view),
    baseNewSection(view),
    contestSection(view),
    costSection(view),
    tasks,
    relationsSection(view),
    runs,
    settingsSection(view),
  ].filter(Boolean);
  for (const section of view.sections) section.update();
  main.replaceChildren(...view.sections.map((section) => section.node));
  drawToolbar();
}

function drawToolbar() {
  const {benchmark} = view;
  const title = (each) => `${each.name} · ${each.backbone}${DATA.groups > 1 ? ` (group ${each.group})` : ""}`;
  const chips = benchmark.methods.map((method) =>
    el(
      "button",
      {
        type: "button",
        class: "chip",
        "aria-pressed": String(!view.hidden.has(method.name)),
        onclick: (event) => toggle(method, event.currentTarget),
      },
      swatch(method),
      method.name,
    ),
  );
  const all = (hide) => {
    view.hidden = new Set(hide ? benchmark.methods.map((method) => method.name) : []);
    for (const chip of chips) chip.setAttribute("aria-pressed", String(!hide));
    refresh();
  };
  toolbar.replaceChildren(
    el(
      "div",
      {},
      select(
        "Benchmark",
        DATA.benchmarks.map((each, index) => [index, title(each)]),
        view.index,
        openBenchmark,
      ),
      benchmark.classes.length > 1
        ? select(
            "Classes",
            benchmark.classes.map((kind) => [kind, kind]),
            view.kind,
            (kind) => {
              view.kind = kind;
              draw();
            },
          )
        : null,
      chips,
      el("button", {type: "button", class: "link", onclick: () => all(false)}, "all"),
      el("button", {type: "button", class: "link", onclick: () => all(true)}, "none"),
    ),
  );
}

function toggle(method, chip) {
  if (!view.hidden.delete(method.name)) view.hidden.add(method.name);
  chip.setAttribute("aria-pressed", String(!view.hidden.has(method.name)));
  refresh();
}

function refresh() {
  hideTip();
  for (const section of view.sections) section.update();
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  document.documentElement.style.colorScheme = theme;
  button.textContent = theme === "dark" ? "Light" : "Dark";
  button.setAttribute("aria-label", `Use ${theme === "dark" ? "light" : "dark"} colours`);
}

const button = document.getElementById("theme");
button.addEventListener("click", () => setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
setTheme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
document.getElementById("summary").textContent = [
  `${DATA.files.toLocaleString("en")} runs`,
  DATA.benchmarks.length === 1 ? "1 benchmark" : `${DATA.benchmarks.length} benchmarks`,
  DATA.groups === 1 ? "all under the same settings" : `${DATA.groups} groups of settings`,
  `softcpt ${DATA.version}`,
].join(" · ");
openBenchmark(0);
