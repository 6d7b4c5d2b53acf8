// What is on the page: files that were given, the chosen task, and a queue of requests.

import { addCard, showAnswer, showError, showWaiting } from "./cards.js";

const byId = (id) => document.getElementById(id);
const [drop, files, task, top_, status_, note] = ["drop", "files", "task", "top", "status", "note"].map(byId);

const EVERY = "all";
const GUESS = "auto";
const NOTES = {
  [EVERY]: "Probabilities are among the classes of each task.",
  [GUESS]:
    "The task is a guess: that of the class which is best over all tasks. The model was trained to " +
    "tell the classes of one task apart, not tasks from each other.",
};

let limits = null;
let cards = []; // {file, node, state}; state: waiting, asked, done
let round = 0; // counts changes of what is asked: answers to older questions are left out
let working = false;

const choice = () => task.selectedOptions[0].dataset.kind ?? "";

async function ask(card) {
  const form = new FormData();
  form.append("task", task.value);
  form.append("top", String(Math.max(1, Math.min(100, Number.parseInt(top_.value, 10) || 5))));
  form.append("images", card.file);
  const response = await fetch("predict", { method: "POST", body: form });
  const answer = await response.json();
  return response.ok ? answer.images[0] : { error: answer.error };
}

async function answered(card) {
  if (card.file.size > limits.image_bytes)
    return { error: `is larger than ${limits.image_bytes / 1e6} MB; make it smaller` };
  try {
    return await ask(card);
  } catch {
    return { error: "the server does not answer, or the file cannot be read" };
  }
}

// One image after the other: the server has one model.
async function work() {
  if (working) return;
  working = true;
  for (let card = next(); card; card = next()) {
    const asked = round;
    card.state = "asked";
    const answer = await answered(card);
    if (asked !== round || !cards.includes(card)) continue;
    card.state = "done";
    if (answer.error) showError(card, answer.error);
    else showAnswer(card, answer.predictions, choice() !== "");
    showProgress();
  }
  working = false;
}

const next = () => cards.find((card) => card.state === "waiting");

function showProgress() {
  const done = cards.filter((card) => card.state === "done").length;
  const count = cards.length === 1 ? "1 image" : `${cards.length} images`;
  status_.textContent =
    done < cards.length ? `${done} of ${count} done` : cards.length ? `${count} done` : "";
}

function askAll() {
  round += 1;
  for (const card of cards) {
    card.state = "waiting";
    showWaiting(card);
  }
  note.textContent = NOTES[choice()] ?? "";
  note.hidden = !note.textContent;
  showProgress();
  work();
}

function add(list) {
  const added = [...list].map((file) => ({ file, state: "waiting" }));
  for (const card of added) addCard(card, byId("cards"), remove);
  cards = cards.concat(added);
  showProgress();
  work();
}

function remove(card) {
  cards = cards.filter((other) => other !== card);
  showProgress();
  files.focus();
}

function option(value, text, kind) {
  const node = new Option(text, value);
  if (kind) node.dataset.kind = kind;
  return node;
}

function showTasks(about) {
  limits = about.limits;
  byId("about").textContent = `${about.method} on ${about.backbone}`;
  byId("limits").textContent = `or paste one; up to ${limits.image_bytes / 1e6} MB each`;
  task.replaceChildren(...about.tasks.map((each) => option(each.name, each.name)));
  if (about.tasks.length > 1) {
    task.append(option(EVERY, "each task", EVERY), option(GUESS, "guess the task", GUESS));
  }
  task.parentElement.hidden = about.tasks.length < 2;
}

const hasFiles = (event) => [...event.dataTransfer.types].includes("Files");

for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault(); // a browser would open the file
    drop.classList.toggle("over", kind === "dragenter" || kind === "dragover");
    if (kind === "drop") add(event.dataTransfer.files);
  });
}
document.addEventListener("paste", (event) => add(event.clipboardData.files));
files.addEventListener("change", () => {
  add(files.files);
  files.value = ""; // the same file can be chosen again
});
task.addEventListener("change", askAll);
top_.addEventListener("change", askAll);
byId("controls").addEventListener("submit", (event) => event.preventDefault());
byId("clear").addEventListener("click", () => {
  for (const card of cards) card.close();
  cards = [];
  showProgress();
});

fetch("tasks")
  .then((response) => response.json())
  .then((about) => {
    showTasks(about);
    document.body.classList.add("ready");
  })
  .catch(() => {
    status_.textContent = "The server does not answer; start it again and reload the page.";
  });
