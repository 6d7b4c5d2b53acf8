// The box that explains what is pointed at or focused: the same lines for eyes and for a screen reader.

const tip = document.getElementById("tip");
let target = null;

function place() {
  const box = target.getBoundingClientRect();
  const size = tip.getBoundingClientRect();
  const left = box.left + box.width / 2 - size.width / 2;
  const above = box.top - size.height - 10;
  const below = Math.min(box.bottom + 10, innerHeight - size.height - 4);
  tip.style.left = `${Math.max(8, Math.min(left, innerWidth - size.width - 8))}px`;
  tip.style.top = `${above > 4 ? above : below}px`;
}

export function hideTip() {
  tip.hidden = true;
}

// Focus scrolls into view what it reaches: there the tip follows. A pointer is elsewhere after scrolling.
function afterScroll() {
  if (tip.hidden) return;
  if (target === document.activeElement) place();
  else hideTip();
}

document.addEventListener("scroll", afterScroll, { passive: true, capture: true });
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") hideTip();
});

// lines(): nodes or texts, made when they are needed.
export function explained(node, lines) {
  const show = () => {
    tip.replaceChildren(...lines().flat(Infinity));
    tip.hidden = false;
    target = node;
    place();
  };
  for (const event of ["mouseenter", "focus"]) node.addEventListener(event, show);
  for (const event of ["mouseleave", "blur"]) node.addEventListener(event, hideTip);
  return node;
}
