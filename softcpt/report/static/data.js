// The report's data, with names for what html_page.py writes as short lists, and numbers as text.

const ALL_IMAGES = -1; // in place of a number of shots

export const DATA = JSON.parse(document.getElementById("data").textContent);

// A cell is written as [mean, std, half-width of the 95 % interval, number of seeds], or null; of a single run and of
// zero-shot two more may follow: the ends of its 95 % interval over test images.
export function cell(written) {
  if (!written) return null;
  const [mean, std, half, n, low = null, high = null] = written;
  return { mean, std, half, n, low, high };
}

// Records are written as {keys, rows}: their keys once.
function records({ keys, rows }) {
  return rows.map((row) => Object.fromEntries(keys.map((key, index) => [key, row[index]])));
}

for (const benchmark of DATA.benchmarks) {
  benchmark.runs = records(benchmark.runs);
  benchmark.cost = records(benchmark.cost);
  for (const row of benchmark.figures.rows) row.cells = row.cells.map(cell);
  for (const contest of benchmark.contests) contest.pairs = records(contest.pairs);
  benchmark.methods.forEach((method, index) => {
    method.index = index;
  });
  for (const kind of Object.values(benchmark.kinds)) {
    kind.average = kind.average.map(cell);
    kind.cells = kind.cells.map((shots) => shots.map((tasks) => tasks.map(cell)));
  }
}

export function number(value, digits = 2) {
  if (value === null || value === undefined) return "–";
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function signed(value) {
  const sign = value > 0 ? "+" : value < 0 ? "−" : "±";
  return sign + Math.abs(value).toFixed(2);
}

export function pText(p) {
  if (p === null) return "–";
  return p < 0.001 ? "<0.001" : p.toFixed(3);
}

export const shotsText = (shots) => (shots === ALL_IMAGES ? "all images" : `${shots}-shot`);

export function intervalText({ mean, half, low, high }) {
  if (low !== null) return `95 % interval over test images ${number(low)} to ${number(high)}`;
  if (half === null) return "one value, no interval";
  return `95 % interval ${number(mean - half)} to ${number(mean + half)}`;
}

// What is chosen is a view: {benchmark, kind: "all", "base" or "new", hidden: names of methods}.

export const kindOf = (view) => view.benchmark.kinds[view.kind];

export const visible = (view) => view.benchmark.methods.filter((method) => !view.hidden.has(method.name));

// Of the visible methods, those that were run on the chosen classes.
export const shown = (view) =>
  visible(view).filter((method) => kindOf(view).cells[method.index].some((tasks) => tasks.some(Boolean)));

// The cell of a column of shots; task -1 is the mean over tasks. Zero-shot has one column.
export function cellOf(view, method, column, task) {
  const columns = kindOf(view).cells[method.index];
  const tasks = columns[method.zeroShot ? 0 : column] || [];
  return tasks[task + 1] || null;
}

export const expectedSeeds = (view, method) => (method.zeroShot ? 0 : kindOf(view).seeds.length);

// Which cells hold the highest printed mean, of those over all seeds.
export function bestOf(view, methods, cells, kind = view.kind) {
  const expected = view.benchmark.kinds[kind].seeds.length;
  const whole = methods.map((method, index) => {
    const found = cells[index];
    const counts = found && method.verified && (method.zeroShot || found.n >= expected);
    return counts ? Number(found.mean.toFixed(2)) : null;
  });
  const values = whole.filter((value) => value !== null);
  const highest = Math.max(...values);
  return whole.map((value) => values.length > 1 && value === highest);
}
