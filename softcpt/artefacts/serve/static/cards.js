// A card for each image: the picture, the file's name, and a bar for each class.

function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export function addCard(card, list, onRemove) {
  const url = URL.createObjectURL(card.file);
  const picture = el("img", { src: url, alt: "", loading: "lazy", decoding: "async" });
  picture.addEventListener("error", () => {
    picture.replaceWith(el("div", { class: "no-picture", "aria-hidden": "true" }, "no picture"));
  });
  const name = card.file.name || "pasted image";
  const close = el("button", { type: "button", class: "close", "aria-label": `Remove ${name}` }, "×");
  card.answer = el("div", { class: "answer" });
  const text = el("div", { class: "text" }, el("h2", { title: name }, name), card.answer);
  card.node = el("li", {}, picture, text, close);
  card.close = () => {
    URL.revokeObjectURL(url);
    card.node.remove();
  };
  close.addEventListener("click", () => {
    card.close();
    onRemove(card);
  });
  showWaiting(card);
  list.append(card.node);
}

export function showWaiting(card) {
  card.node.setAttribute("aria-busy", "true");
  card.answer.replaceChildren(el("p", { class: "dim" }, "waiting"));
}

export function showError(card, error) {
  card.node.setAttribute("aria-busy", "false");
  card.answer.replaceChildren(el("p", { class: "error" }, error));
}

export function showAnswer(card, predictions, naming) {
  card.node.setAttribute("aria-busy", "false");
  const parts = [];
  let task = null;
  for (const one of predictions) {
    const own = one.task ?? one.guessed_task;
    if (naming && own !== task) {
      parts.push(el("h3", {}, one.guessed_task ? `${own} (a guess)` : own));
      parts.push(el("dl", {}));
    } else if (!parts.length) parts.push(el("dl", {}));
    task = own;
    parts.at(-1).append(bar(one));
  }
  card.answer.replaceChildren(...parts);
}

function bar({ label, probability }) {
  const filled = el("span", { class: "filled" });
  filled.style.width = `${100 * probability}%`; // by script: the page's policy allows no style attribute
  const percent = `${(100 * probability).toFixed(1)} %`;
  const value = el(
    "dd",
    {},
    el("span", { class: "bar", "aria-hidden": "true" }, filled),
    el("b", {}, percent),
  );
  return el("div", {}, el("dt", {}, label), value);
}
