// What is shown, the toolbar, and the sections of the chosen benchmark.

import { baseNewSection } from "./basenew.js";
import { classesSection } from "./classes.js";
import { comparisonsSection } from "./comparisons.js";
import { costSection } from "./cost.js";
import { curvesSection } from "./curves.js";
import { DATA } from "./data.js";
import { el, nameNodes, select } from "./elements.js";
import { fewShotSection } from "./fewshot.js";
import { figuresSection } from "./figures.js";
import { relationsSection } from "./relations.js";
import { runsSection } from "./runs.js";
import { settingsSection } from "./settings.js";
import { tasksSection } from "./tasks.js";
import { hideTip } from "./tip.js";

const main = document.getElementById("main");
const toolbar = document.getElementById("toolbar");
const themeButton = document.getElementById("theme");
let view = null;
let sections = []; // of {node, update()}, which draws again what depends on the view and the width

function openBenchmark(index) {
  const benchmark = DATA.benchmarks[index];
  view = { benchmark, index, kind: benchmark.classes[0], hidden: new Set() };
  drawToolbar();
  drawSections();
}

function drawSections() {
  const runs = runsSection(view);
  const curves = curvesSection(view, runs.pick);
  const tasks = view.benchmark.tasks.length > 1 ? tasksSection(view, curves.showTask) : null;
  sections = [
    curves,
    fewShotSection(view),
    baseNewSection(view),
    comparisonsSection(view),
    figuresSection(view),
    costSection(view),
    tasks,
    classesSection(view),
    relationsSection(view),
    runs,
    settingsSection(view),
  ].filter(Boolean);
  main.replaceChildren(...sections.map((section) => section.node));
  refresh();
}

function refresh() {
  hideTip();
  for (const section of sections) section.update();
}

function chip(method) {
  const node = el("button", { type: "button", class: "chip", "aria-pressed": "true" }, nameNodes(method));
  node.addEventListener("click", () => {
    hide(method, node, !view.hidden.has(method.name));
    refresh();
  });
  return node;
}

function hide(method, node, hidden) {
  if (hidden) view.hidden.add(method.name);
  else view.hidden.delete(method.name);
  node.setAttribute("aria-pressed", String(!hidden));
}

function drawToolbar() {
  const { methods, classes } = view.benchmark;
  const chips = methods.map(chip);
  const allButton = (text, hidden) => {
    const onclick = () => {
      methods.forEach((method, index) => {
        hide(method, chips[index], hidden);
      });
      refresh();
    };
    return el("button", { type: "button", class: "link", onclick }, text);
  };
  const group = (each) => (DATA.groups > 1 ? ` (group ${each.group})` : "");
  const title = (each) => `${each.name} · ${each.backbone}${group(each)}`;
  const benchmarks = DATA.benchmarks.map((each, index) => [index, title(each)]);
  const kinds = classes.map((kind) => [kind, kind]);
  const kindBox = select("Classes", kinds, view.kind, (kind) => {
    view.kind = kind;
    drawSections();
  });
  toolbar.replaceChildren(
    el(
      "div",
      {},
      select("Benchmark", benchmarks, view.index, openBenchmark),
      classes.length > 1 ? kindBox : null,
      chips,
      allButton("all", false),
      allButton("none", true),
    ),
  );
}

function setTheme(theme) {
  const other = theme === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  document.documentElement.style.colorScheme = theme;
  themeButton.textContent = other === "light" ? "Light" : "Dark";
  themeButton.setAttribute("aria-label", `Use ${other} colours`);
}

function summaryText() {
  const count = DATA.benchmarks.length;
  const parts = [
    `${DATA.files.toLocaleString("en")} runs`,
    count === 1 ? "1 benchmark" : `${count} benchmarks`,
    DATA.groups === 1 ? "all under the same settings" : `${DATA.groups} groups of settings`,
    `softcpt ${DATA.version}`,
  ];
  return parts.join(" · ");
}

// Charts are drawn for the width they have.
function watchWidth() {
  let width = main.clientWidth;
  new ResizeObserver(() => {
    if (main.clientWidth === width) return;
    width = main.clientWidth;
    refresh();
  }).observe(main);
}

themeButton.addEventListener("click", () => {
  setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
});
setTheme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
document.getElementById("summary").textContent = summaryText();
openBenchmark(0);
watchWidth();
