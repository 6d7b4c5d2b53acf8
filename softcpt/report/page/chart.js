// Few-shot curves, accuracy against cost, heat maps: inline SVG. Every point can be reached with the arrow keys.

function ticks(low, high, count) {
  const span = high - low || 1,
    rough = span / count,
    power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((unit) => unit * power).find((unit) => unit >= rough);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + 1e-9; value += step) found.push(+value.toFixed(10));
  return found;
}

function range(values, least = 1) {
  const low = Math.min(...values),
    high = Math.max(...values),
    pad = Math.max((high - low) * 0.06, least / 2);
  return [low - pad, high + pad];
}

// One stop for Tab; arrows go on from there: left and right along a line, up and down to the nearest point of another.
function arrows(points) {
  points.forEach((point, index) => {
    point.node.setAttribute("tabindex", index ? "-1" : "0");
    point.node.addEventListener("keydown", (event) => {
      const next = neighbour(points, point, event.key);
      if (!next) return;
      event.preventDefault();
      for (const each of points) each.node.setAttribute("tabindex", each === next ? "0" : "-1");
      next.node.focus();
    });
  });
}

function neighbour(points, from, key) {
  const flat = {ArrowLeft: -1, ArrowRight: 1}[key],
    steep = {ArrowUp: -1, ArrowDown: 1}[key];
  let best = null,
    least = Infinity;
  for (const point of points) {
    if (point === from) continue;
    const ahead = flat ? (point.x - from.x) * flat : steep ? (point.y - from.y) * steep : 0;
    const along = flat ? point.line === from.line : point.line !== from.line && Math.abs(point.x - from.x) < 40;
    if (
      along &&
      (ahead > 0 || (ahead === 0 && steep && points.indexOf(point) > points.indexOf(from))) &&
      ahead < least
    ) {
      best = point;
      least = ahead;
    }
  }
  return best;
}

function axes(root, {left, right, top, bottom, yRange, xTicks, yTitle, xTitle}) {
  const y = (value) => bottom - ((value - yRange[0]) / (yRange[1] - yRange[0])) * (bottom - top);
  for (const value of ticks(...yRange, 6)) {
    root.append(
      svg("line", {class: "grid", x1: left, x2: right, y1: y(value), y2: y(value)}),
      svg("text", {x: left - 8, y: y(value) + 4, "text-anchor": "end"}, String(value)),
    );
  }
  for (const [x, text] of xTicks) root.append(svg("text", {x, y: bottom + 19, "text-anchor": "middle"}, text));
  root.append(
    svg("line", {class: "axis", x1: left, x2: right, y1: bottom, y2: bottom}),
    svg("text", {class: "axis-title", x: (left + right) / 2, y: bottom + 40, "text-anchor": "middle"}, xTitle),
    svg("text", {class: "axis-title", x: left - 38, y: top - 12}, yTitle),
  );
  return y;
}

// Names at the ends of lines, moved apart so that none covers another.
function endLabels(root, labels, x, top, bottom) {
  const sorted = [...labels].sort((a, b) => a.y - b.y),
    gap = 15;
  sorted.forEach((label, index) => {
    label.at = Math.max(label.y, index ? sorted[index - 1].at + gap : top);
  });
  const over = sorted.length ? sorted[sorted.length - 1].at - bottom : 0;
  if (over > 0) {
    for (let i = sorted.length - 1, limit = bottom; i >= 0; i -= 1, limit -= gap)
      sorted[i].at = Math.min(sorted[i].at, limit);
  }
  for (const label of sorted) {
    root.append(
      svg(
        "g",
        {class: "series", "--colour": label.colour},
        svg("path", {
          d: `M${label.x + 7} ${label.y}L${x - 5} ${label.at}`,
          stroke: "currentColor",
          "stroke-width": 0.8,
          opacity: 0.5,
          fill: "none",
        }),
        svg("text", {class: "label", x, y: label.at + 4}, label.text),
      ),
    );
  }
}

// lines: {name, colour, marker, points: [{column, cell, tip, hollow}], dashed}; column 0 is zero-shot.
function curveChart({lines, columns, spread, yTitle, title, onpick}) {
  const width = 860,
    height = 430,
    left = 52,
    right = 640,
    top = 30,
    bottom = 372;
  const reach = (cell) => (spread === "std" ? cell[1] : spread === "interval" ? cell[2] || 0 : 0);
  const cells = lines.flatMap((line) => line.points.map((point) => point.cell));
  const root = svg("svg", {class: "chart", viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": title});
  if (!cells.length) return root;
  const x = (column) => left + ((column + 0.4) * (right - left)) / (columns.length - 0.2);
  const y = axes(root, {
    left,
    right,
    top,
    bottom,
    yTitle,
    xTitle: "training images per class",
    yRange: range(cells.flatMap((cell) => [cell[0] - reach(cell), cell[0] + reach(cell)])),
    xTicks: columns.map((text, index) => [x(index), text]),
  });
  const points = [],
    labels = [];
  lines.forEach((line, number) => {
    const group = svg("g", {class: "series", "--colour": line.colour, opacity: line.dashed ? 0.75 : null});
    const at = line.points.map((point) => [x(point.column), y(point.cell[0])]);
    if (line.points.length === 1 && line.points[0].column === 0) {
      group.append(svg("line", {class: "line dots", x1: left, x2: right, y1: at[0][1], y2: at[0][1]}));
    } else {
      group.append(
        svg("polyline", {
          class: line.dashed ? "line dash" : "line",
          points: at.map((place) => place.join(",")).join(" "),
        }),
      );
    }
    line.points.forEach((point, index) => {
      const [px, py] = at[index],
        far = reach(point.cell);
      if (far) {
        const [low, high] = [y(point.cell[0] - far), y(point.cell[0] + far)];
        group.append(
          svg("path", {class: "whisker", d: `M${px} ${low}V${high}M${px - 3.5} ${low}h7M${px - 3.5} ${high}h7`}),
        );
      }
      const node = explained(
        marker(line.marker, px, py, line.dashed ? 4 : 5.2, {
          class: point.hollow || line.dashed ? "point hollow" : "point",
          role: "img",
          "aria-label": point.label,
        }),
        point.tip,
      );
      if (onpick && point.pick) {
        node.addEventListener("click", () => onpick(point.pick));
        node.addEventListener("keydown", (event) => {
          if (event.key === "Enter") onpick(point.pick);
        });
      }
      group.append(node);
      points.push({node, x: px, y: py, line: number});
    });
    const last = line.points.length - 1;
    if (last >= 0 && !line.dashed)
      labels.push({
        text: line.name,
        colour: line.colour,
        x: line.points[last].column ? at[last][0] : right - 7,
        y: at[last][1],
      });
    root.append(group);
  });
  endLabels(root, labels, right + 16, top, bottom);
  arrows(points);
  return root;
}

// lines: {name, colour, marker, points: [{x, y, tip, label}]}; a logarithmic x axis where values span a factor of five.
function scatterChart({lines, xTitle, yTitle, title}) {
  const width = 860,
    height = 410,
    left = 52,
    right = 640,
    top = 30,
    bottom = 352;
  const all = lines.flatMap((line) => line.points);
  const root = svg("svg", {class: "chart", viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": title});
  if (!all.length) return root;
  const xs = all.map((point) => point.x),
    log = Math.min(...xs) > 0 && Math.max(...xs) / Math.min(...xs) > 5;
  const scale = log ? Math.log10 : (value) => value;
  const [low, high] = range(xs.map(scale), log ? 0.1 : Math.max(...xs) * 0.02);
  const x = (value) => left + ((scale(value) - low) / (high - low)) * (right - left);
  const marks = log
    ? [-1, 0, 1, 2, 3, 4, 5].flatMap((power) => [1, 2, 5].map((unit) => unit * 10 ** power))
    : ticks(low, high, 6);
  const y = axes(root, {
    left,
    right,
    top,
    bottom,
    xTitle,
    yTitle,
    yRange: range(all.map((point) => point.y)),
    xTicks: marks
      .filter((value) => scale(value) >= low && scale(value) <= high)
      .map((value) => [x(value), value.toLocaleString("en")]),
  });
  const points = [],
    labels = [];
  lines.forEach((line, number) => {
    const group = svg("g", {class: "series", "--colour": line.colour});
    const at = line.points.map((point) => [x(point.x), y(point.y)]);
    group.append(
      svg("polyline", {class: "line", "stroke-opacity": 0.55, points: at.map((place) => place.join(",")).join(" ")}),
    );
    line.points.forEach((point, index) => {
      const node = explained(
        marker(line.marker, ...at[index], 5.2, {class: "point", role: "img", "aria-label": point.label}),
        point.tip,
      );
      group.append(node);
      points.push({node, x: at[index][0], y: at[index][1], line: number});
    });
    const last = at.length - 1;
    if (last >= 0) labels.push({text: line.name, colour: line.colour, x: at[last][0], y: at[last][1]});
    root.append(group);
  });
  endLabels(root, labels, right + 16, top, bottom);
  arrows(points);
  return root;
}

// Cosine in [-1, 1]: red is alike, blue is unlike.
function heatMap({names, values, title}) {
  const size = Math.max(14, Math.min(40, 640 / names.length)),
    font = Math.min(12, size * 0.8);
  const short = (text) => (text.length > 24 ? `${text.slice(0, 22)}…` : text);
  const side = 14 + font * 0.62 * Math.max(...names.map((name) => short(name).length)),
    width = side + size * names.length + 10;
  const root = svg("svg", {
    class: "chart map",
    viewBox: `0 0 ${width} ${size * names.length + side}`,
    role: "group",
    "aria-label": title,
    style: `max-width:${width}px`,
  });
  const points = [];
  const colour = (value) =>
    `color-mix(in oklab, ${value > 0 ? "#c1272d" : "#2563ab"} ${Math.round(Math.abs(value) * 100)}%, var(--card))`;
  names.forEach((name, row) => {
    const middle = size * (row + 0.5);
    root.append(
      svg("text", {x: side - 6, y: middle + font * 0.35, "text-anchor": "end", "font-size": font}, short(name)),
      svg(
        "text",
        {
          x: 0,
          y: 0,
          "font-size": font,
          "text-anchor": "end",
          transform: `translate(${side + middle + font * 0.35} ${size * names.length + 7}) rotate(-90)`,
        },
        short(name),
      ),
    );
    names.forEach((other, column) => {
      const value = values[row][column],
        told = `${name} and ${other}: ${number(value)}`;
      const node = explained(
        svg("rect", {
          class: "cell",
          x: side + size * column,
          y: size * row,
          width: size - 0.7,
          height: size - 0.7,
          style: `fill:${colour(value)}`,
          role: "img",
          "aria-label": told,
        }),
        () => [el("b", {}, told)],
      );
      root.append(node);
      points.push({node, x: column * 50, y: row, line: row});
    });
  });
  arrows(points);
  return root;
}
