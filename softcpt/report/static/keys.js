// Arrow keys from point to point of a chart or table, which is one stop for Tab.

const SIDEWAYS = { ArrowLeft: -1, ArrowRight: 1 };
const UPWARDS = { ArrowUp: -1, ArrowDown: 1 };
const SAME_COLUMN = 40; // pixels

// points: [{node, x, y, line}]. Left and right go along a line, up and down to the nearest point of another.
export function arrowKeys(points) {
  points.forEach((point, index) => {
    point.node.setAttribute("tabindex", index ? "-1" : "0");
    point.node.addEventListener("keydown", (event) => {
      const next = neighbour(points, index, event.key);
      if (!next) return;
      event.preventDefault();
      for (const each of points) each.node.setAttribute("tabindex", each === next ? "0" : "-1");
      next.node.focus();
    });
  });
}

function neighbour(points, index, key) {
  const from = points[index];
  const nearest = { point: null, ahead: Infinity };
  points.forEach((point, other) => {
    const ahead = distance(from, point, key, other > index);
    if (ahead !== null && ahead < nearest.ahead) Object.assign(nearest, { point, ahead });
  });
  return nearest.point;
}

// How far `to` lies in the key's direction; null: not in that direction. Of points at one place the later is below.
function distance(from, to, key, later) {
  if (to.line === from.line && key in SIDEWAYS) {
    const ahead = (to.x - from.x) * SIDEWAYS[key];
    return ahead > 0 ? ahead : null;
  }
  if (to.line !== from.line && key in UPWARDS && Math.abs(to.x - from.x) < SAME_COLUMN) {
    const ahead = (to.y - from.y) * UPWARDS[key];
    return ahead > 0 || (ahead === 0 && later) ? ahead : null;
  }
  return null;
}
