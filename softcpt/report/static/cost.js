// Accuracy against time, memory and trainable parameters.

import { number, shotsText, shown } from "./data.js";
import { card, el, select } from "./elements.js";
import { plot, range, ticks } from "./plot.js";

// What a run's record is measured by; null: not known.
const AXES = [
  { title: "seconds, without encoding images", digits: 1, of: (record) => record.seconds },
  {
    title: "seconds, all in",
    digits: 1,
    of: (record) => (record.seconds === null ? null : record.seconds + (record.secondsImage || 0)),
  },
  {
    title: "peak memory, MB",
    digits: 0,
    of: (record) => (record.bytes === null ? null : record.bytes / 1e6),
  },
  { title: "trainable parameters", digits: 0, of: (record) => record.parameters },
];
const POWERS = [-1, 0, 1, 2, 3, 4, 5, 6, 7, 8];

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

function costPoint(method, shots, records, axis) {
  const x = mean(records.map(axis.of));
  const y = mean(records.map((record) => record.mean));
  const name = `${method.name}, ${shotsText(shots)}`;
  const known = AXES.map(({ title, digits, of }) => {
    const values = records.map(of).filter((value) => value !== null);
    return values.length ? el("div", { class: "dim" }, `${title}: ${number(mean(values), digits)}`) : null;
  });
  return {
    x,
    y,
    label: `${name}: ${number(y)} %, ${number(x, axis.digits)} ${axis.title}`,
    tip: () => [el("b", {}, name), el("div", {}, `${number(y)} %`), ...known.filter(Boolean)],
  };
}

function lineOf(method, records, axis) {
  const mine = records.filter((record) => record.method === method.index);
  const shots = [...new Set(mine.map((record) => record.shots))];
  const at = (each) => mine.filter((record) => record.shots === each);
  return { ...method, points: shots.map((each) => costPoint(method, each, at(each), axis)) };
}

// Logarithmic where values span a factor of five.
function valueScale(values) {
  const log = Math.min(...values) > 0 && Math.max(...values) / Math.min(...values) > 5;
  const scale = log ? Math.log10 : (value) => value;
  const [low, high] = range(values.map(scale), log ? 0.1 : Math.max(...values) * 0.02);
  return ({ left, right }) => {
    const most = Math.floor((right - left) / 70);
    const steps = log
      ? POWERS.flatMap((power) => [1, 2, 5].map((unit) => unit * 10 ** power))
      : ticks(low, high, most);
    const inside = steps.filter((value) => scale(value) >= low && scale(value) <= high);
    const marks =
      inside.length > most ? inside.filter((value) => Number.isInteger(Math.log10(value))) : inside;
    const x = (value) => left + ((scale(value) - low) / (high - low)) * (right - left);
    return { x, ticks: marks.map((value) => [x(value), value.toLocaleString("en")]) };
  };
}

export function costSection(view) {
  const { cost } = view.benchmark;
  if (!cost.length) return null;
  let axis = AXES[0];
  const options = AXES.map((each) => [each, each.title]);
  const place = el("div");
  const node = card(
    "Accuracy against cost",
    "Means over seeds; a method's numbers of shots are joined. With a feature bank images are encoded once " +
      "for all methods, by whichever run came first.",
    [
      select("Against", options, axis, (chosen) => {
        axis = chosen;
        update();
      }),
    ],
    place,
  );

  function update() {
    const kind = view.kind === "new" ? "base" : view.kind; // runs on new classes only test
    const known = (record) => record.classes === kind && record.mean !== null && axis.of(record) !== null;
    const records = cost.filter(known);
    const lines = shown(view).map((method) => lineOf(method, records, axis));
    const points = lines.flatMap((line) => line.points);
    const chart = {
      lines,
      title: `accuracy against ${axis.title}`,
      xTitle: axis.title,
      yTitle: "mean over tasks, %",
      yRange: range(points.map(({ y }) => y)),
      xScale: valueScale(points.map(({ x }) => x)),
    };
    place.replaceChildren(plot(chart, place.clientWidth));
  }
  return { node, update };
}
