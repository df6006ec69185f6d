// The page: asks the worker for tokens, and shows what comes.
//
// Whatever a model wrote or a reader typed goes into the page as text, never
// as HTML, and no other host is asked for anything.

import { answersEqual, extractAnswer, groupAnswers } from "./answers.js";

const NUM_SAMPLES = 16;
const PROMPTS = {
  direct: (problem) => `Problem: ${problem}\nAnswer:`,
  "step-by-step": (problem) =>
    `Problem: ${problem}\nAnswer: Let's think step by step.`,
};
// What they show, at the settings that the page opens with
const EXAMPLES = [
  {
    about: "thinking helps",
    problem: "Ben had 41 pens, lost 12 and found 18. How many are left?",
    answer: "47",
  },
  {
    about: "the vote helps",
    problem: "Ann had 51 cups, lost 21 and found 29. How many are left?",
    answer: "59",
  },
  {
    about: "two spellings are one answer",
    problem: "Work out 7/6 + 4/3.",
    answer: "\\frac{5}{2}",
  },
  {
    about: "most tries agree, and are wrong",
    problem: "Solve 4x - 22 = -14 for x.",
    answer: "2",
  },
];

const find = (selector) => document.querySelector(selector);
const make = (tag, className = "", text = "") => {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
};
const percent = (share) =>
  `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)} %`;

// ---- Tokens, and what else might have stood there ------------------------

const popover = find("#alternatives");

/** Shows the tokens of one text, each shaded by how unlikely it was. */
class Writing {
  constructor(container, { begin = "", goOn = null } = {}) {
    this.container = container;
    this.goOn = goOn; // called with the events to go on from
    this.events = [];
    this.text = "";
    writingOf.set(container, this);
    container.replaceChildren();
    if (begin) container.append(make("span", "prompt", begin));
  }

  add(event) {
    const place = this.events.push(event) - 1;
    this.text += event.text;
    const isEnd = event.end === "stop";
    const token = make("span", "token", isEnd ? "■" : event.text);
    if (isEnd) token.title = "the token that ends the answer";
    if (event.text.includes("\n")) token.classList.add("newline");
    token.style.setProperty("--doubt", doubt(event.probability));
    token.tabIndex = place === 0 ? 0 : -1; // arrow keys go on from there
    token.place = place;
    this.container.append(token);
    if (event.end === "length") {
      this.container.append(make("span", "cut", " … cut off here"));
    }
  }

  /** Fill the popover with what might have stood at a place. */
  describe(place) {
    const event = this.events[place];
    const share = percent(event.probability);
    const heading = `Token ${place + 1}: the model gave it ${share}`;
    const rows = event.alternatives.map((other) => {
      const isChosen = other.id === event.id;
      const row = make(this.goOn ? "button" : "div", "alternative");
      row.classList.toggle("chosen", isChosen);
      const bar = make("span", "share");
      bar.style.setProperty("--share", other.probability);
      row.append(
        make("code", "", other.isStop ? "■ end" : visible(other.text)),
        bar,
        make("span", "number", percent(other.probability)),
      );
      if (!this.goOn) return row;
      row.disabled = isChosen || other.isStop;
      row.addEventListener("click", () => {
        closePopover();
        const changed = { ...event, ...other, end: undefined };
        this.goOn([...this.events.slice(0, place), changed]);
      });
      return row;
    });
    popover.replaceChildren(make("p", "", heading), ...rows);
    if (this.goOn) {
      popover.append(make("p", "hint", "Choose one to go on from it."));
    }
  }
}

/** 0 for a certain token, 1 for one of probability 1 % or less. */
const doubt = (probability) =>
  Math.min(1, -Math.log10(Math.max(probability, 0.01)) / 2).toFixed(3);

/** A token's text with its spaces and line ends made visible. */
const visible = (text) =>
  text.replaceAll(" ", "␣").replaceAll("\n", "↵");

const writingOf = new Map(); // container -> Writing
let shownFor = null; // the token that the popover belongs to

function openPopover(token) {
  const writing = writingOf.get(token.parentElement);
  if (!writing || token === shownFor) return;
  shownFor = token;
  writing.describe(token.place);
  popover.hidden = false;
  const box = token.getClientRects()[0];
  const { offsetWidth: width, offsetHeight: height } = popover;
  const left = Math.min(box.left, innerWidth - width - 8);
  const isBelow = box.bottom + height + 8 < innerHeight || box.top < height;
  popover.style.left = `${Math.max(8, left) + scrollX}px`;
  const top = isBelow ? box.bottom + 4 : box.top - height - 4;
  popover.style.top = `${top + scrollY}px`;
}

function closePopover() {
  popover.hidden = true;
  shownFor = null;
}

function listenToTokens() {
  let closing = 0;
  const tokenAt = (event) => event.target.closest?.(".token");
  document.addEventListener("pointerover", (event) => {
    clearTimeout(closing);
    if (tokenAt(event)) openPopover(tokenAt(event));
    else if (!popover.contains(event.target)) {
      closing = setTimeout(closePopover, 250); // time to cross the gap
    }
  });
  document.addEventListener("focusin", (event) => {
    if (tokenAt(event)) openPopover(tokenAt(event));
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") closePopover();
    const token = tokenAt(event);
    const isForward = event.key === "ArrowRight" || event.key === "ArrowDown";
    const isBack = event.key === "ArrowLeft" || event.key === "ArrowUp";
    if (token && event.key === "Enter") {
      popover.querySelector("button:enabled")?.focus();
    }
    if (!token || !(isForward || isBack)) return;
    event.preventDefault();
    const next = isForward ? token.nextSibling : token.previousSibling;
    if (next?.classList.contains("token")) next.focus();
  });
}

// ---- The worker ----------------------------------------------------------

const worker = new Worker("worker.js", { type: "module" });
const jobs = new Map(); // number -> {onEvents, resolve, reject}
let numJobs = 0;

/** Have a prompt completed; resolves to {numTokens, seconds}. */
function write(prompt, options, onEvents) {
  const job = ++numJobs;
  return new Promise((resolve, reject) => {
    jobs.set(job, { onEvents, resolve, reject });
    worker.postMessage({ job, prompt, options });
  });
}

worker.onmessage = ({ data }) => {
  if (data.loading) return showLoading(data.loading);
  if (data.ready) return showLoading(null);
  const waiting = jobs.get(data.job);
  if (data.error) {
    say(data.error, true);
    waiting?.reject(new Error(data.error));
  } else if (data.events) waiting?.onEvents(data.events);
  else waiting?.resolve(data.done);
  if (data.done || data.error) jobs.delete(data.job);
};

/** Forget what is being written. */
function stop() {
  jobs.clear();
  worker.postMessage({ stop: true });
}

function showLoading(loading) {
  const bar = find("#loading");
  bar.hidden = loading === null;
  if (loading === null) return say("");
  const total = loading.total || model.bytes;
  bar.value = loading.received / total;
  const megabytes = (number) => (number / 1e6).toFixed(1);
  const received = megabytes(loading.received);
  say(`Fetching the model: ${received} of ${megabytes(total)} MB`);
}

function say(text, isError = false) {
  find("#status").textContent = text;
  find("#status").classList.toggle("error", isError);
}

// ---- The three ways ------------------------------------------------------

let models = [];
let problems = [];
let model = null; // an entry of models.json
let told = { problem: "", answers: {} }; // of each model asked, at once
let round = 0; // counts the questions, so that an old one stops

const problem = () => find("#problem").value.trim();
const reference = () => find("#reference").value.trim() || null;

/** Show an answer, and whether it is the right one. */
function judge(element, answer, { prefix = "It answers ", note = "" } = {}) {
  element.replaceChildren();
  element.className = "verdict";
  if (answer === null) element.append("It gives no answer in a box.");
  else element.append(prefix, make("strong", "", readable(answer)));
  if (reference() !== null) {
    const isRight = answersEqual(answer, reference());
    element.classList.add(isRight ? "right" : "wrong");
    const right = `wrong: it is ${readable(reference())}`;
    element.append(make("span", "mark", isRight ? "right" : right));
  }
  if (note) element.append(make("span", "note", note));
}

/** An answer as one would write it by hand: 23/15, {1, 5}, 20%. */
const readable = (answer) =>
  answer
    .replace(/\\[dt]?frac\{([^{}]*)\}\{([^{}]*)\}/g, "$1/$2")
    .replace(/\\([{}%])/g, "$1");

const speed = ({ numTokens, seconds }) =>
  `${numTokens} tokens, ${Math.round(numTokens / seconds)} per second`;

/**
 * One answer, always of the likeliest tokens; `forced` are the events of
 * those that are there already.
 */
async function answerOnce(selector, name, forced = []) {
  const container = find(`${selector} .writing`);
  const verdict = find(`${selector} .verdict`);
  const prompt = PROMPTS[name](problem());
  const begin = prompt.split("\n").at(-1);
  const goOn = (events) => {
    stop();
    round++;
    answerOnce(selector, name, events).catch(() => {});
  };
  const writing = new Writing(container, { begin, goOn });
  for (const event of forced) writing.add(event);
  verdict.replaceChildren();
  verdict.className = "verdict";
  const options = {
    maxNewTokens: model.maxNewTokens,
    forced: forced.map((event) => event.id),
  };
  const done = await write(prompt, options, (events) => {
    for (const event of events) writing.add(event);
  });
  const answer = extractAnswer(writing.text);
  judge(verdict, answer, { note: speed(done) });
  if (name === "direct" && forced.length === 0) setBesideOthers(answer);
}

/** Show what the other models said at once to the same problem. */
function setBesideOthers(answer) {
  if (told.problem !== problem()) told = { problem: problem(), answers: {} };
  told.answers[model.name] = answer;
  const others = Object.entries(told.answers)
    .filter(([name]) => name !== model.name)
    .map(([name, other]) => {
      if (other === null) return `${name} gave no answer`;
      const isRight = answersEqual(other, reference());
      const mark = isRight ? ", right" : ", wrong";
      const verdict = reference() === null ? "" : mark;
      return `${name} answered ${readable(other)}${verdict}`;
    });
  const line = find(".direct .others");
  line.textContent = others.length > 0 ? `Asked before: ${others.join("; ")}.` : "";
}

/** Sixteen answers at once, each with random numbers of its own. */
async function takeVote() {
  const prompt = PROMPTS[model.vote](problem());
  const list = find("#samples");
  list.replaceChildren();
  const cards = Array.from({ length: NUM_SAMPLES }, () => {
    const card = make("li");
    const container = make("div", "writing");
    card.append(container);
    list.append(card);
    const writing = new Writing(container);
    return { card, writing, answer: null };
  });
  const verdict = find(".vote .verdict");
  verdict.replaceChildren();
  verdict.className = "verdict";
  showVotes(cards);
  const options = {
    maxNewTokens: model.maxNewTokens,
    numSamples: NUM_SAMPLES,
    temperature: Number(find("#temperature").value),
    seed: Number(find("#seed").value),
  };
  const done = await write(prompt, options, (events) => {
    for (const event of events) {
      const sample = cards[event.sample];
      sample.writing.add(event);
      if (!event.end) continue;
      sample.answer = extractAnswer(sample.writing.text);
      sample.card.classList.add(sample.answer === null ? "no-vote" : "voted");
    }
    if (events.some((event) => event.end)) showVotes(cards);
  });
  const winner = showVotes(cards);
  judge(verdict, winner, { prefix: "The vote goes to ", note: speed(done) });
}

/** Draw a bar for each answer; returns the answer that leads, or null. */
function showVotes(cards) {
  const answers = cards.map((sample) => sample.answer);
  const groups = groupAnswers(answers);
  const counts = [];
  for (const group of groups) {
    if (group !== null) counts[group] = (counts[group] ?? 0) + 1;
  }
  // The sort is stable: of two with as many votes, the one seen first leads
  const order = [...counts.keys()].sort((a, b) => counts[b] - counts[a]);
  cards.forEach((sample, i) => {
    const isLeading = groups[i] !== null && groups[i] === order[0];
    sample.card.classList.toggle("leads", isLeading);
  });
  const rows = order.map((group, rank) => {
    const answer = answers[groups.indexOf(group)];
    const row = make("li", rank === 0 ? "leads" : "");
    const isRight = reference() !== null && answersEqual(answer, reference());
    const label = make("span", "answer", readable(answer));
    const bar = make("span", "bar");
    bar.style.setProperty("--votes", counts[group]);
    const right = isRight ? " · right" : "";
    const count = make("span", "count", `${counts[group]}${right}`);
    count.style.setProperty("--votes", counts[group]);
    row.append(label, bar, count);
    return row;
  });
  const many = rows.splice(6); // what got a vote or two is told in one line
  if (many.length > 0) {
    const rest = order.slice(6).reduce((sum, group) => sum + counts[group], 0);
    const told = `${many.length} other answers, ${rest} votes`;
    rows.push(make("li", "rest", told));
  }
  if (rows.length === 0) rows.push(make("li", "rest", "No vote yet."));
  find("#votes").replaceChildren(...rows);
  return order.length > 0 ? answers[groups.indexOf(order[0])] : null;
}

// ---- Asking --------------------------------------------------------------

/** Answer the problem in all three ways, or by the vote alone. */
async function ask({ voteOnly = false } = {}) {
  if (problem() === "") return say("Write a problem first.", true);
  stop();
  say("");
  const mine = ++round;
  showCommand();
  remember();
  const steps = voteOnly
    ? [takeVote]
    : [
        () => answerOnce(".direct", "direct"),
        () => answerOnce(".steps", "step-by-step"),
        takeVote,
      ];
  if (!voteOnly) clearVote();
  for (const step of steps) {
    if (mine !== round) return;
    await step().catch(() => {}); // the message has been shown
  }
}

function clearVote() {
  find("#votes").replaceChildren();
  find("#samples").replaceChildren();
  for (const verdict of document.querySelectorAll(".verdict")) {
    verdict.replaceChildren();
    verdict.className = "verdict";
  }
  find(".steps .writing").replaceChildren();
  find(".direct .others").replaceChildren();
}

function askAbout(text, answer) {
  find("#problem").value = text;
  find("#reference").value = answer;
  fitHeight();
  ask();
}

/** The command that draws the same samples with the package. */
function showCommand() {
  const quoted = `'${problem().replaceAll("'", "'\\''")}'`;
  find("#command").textContent =
    `rfs ask ${quoted} --model ${model.name} --prompt ${model.vote} ` +
    `-n ${NUM_SAMPLES} --temperature ${find("#temperature").value} ` +
    `--seed ${find("#seed").value}`;
}

/** Keep the question in the address, so that it can be passed on. */
function remember() {
  const kept = new URLSearchParams({
    problem: problem(),
    answer: find("#reference").value.trim(),
    model: model.name,
    temperature: find("#temperature").value,
    seed: find("#seed").value,
  });
  history.replaceState(null, "", `#${kept}`);
}

function showSliders() {
  const temperature = Number(find("#temperature").value);
  find("#temperature-shown").textContent = temperature.toFixed(1);
  find("#seed-shown").textContent = find("#seed").value;
}

function fitHeight() {
  const box = find("#problem");
  box.style.height = "auto";
  box.style.height = `${box.scrollHeight + 2}px`;
}

function choose(entry) {
  model = entry;
  stop();
  worker.postMessage({ load: entry.file });
  const millions = (entry.parameters / 1e6).toFixed(1);
  find("#size").textContent = `${millions} million weights`;
  find("#about").textContent = entry.about;
  const ways = [
    [".direct", "direct"],
    [".steps", "step-by-step"],
    [".vote", "vote"],
  ];
  for (const [selector, way] of ways) {
    const share = entry.accuracy[way];
    find(`${selector} .measured`).textContent =
      share === undefined
        ? ""
        : `Right on ${share.replace(" ", "\u00a0")} of 2,000 test problems.`;
  }
}

function offerModels(chosen) {
  for (const entry of models) {
    const label = make("label");
    const input = make("input");
    Object.assign(input, { type: "radio", name: "model", value: entry.name });
    input.checked = entry === chosen;
    input.addEventListener("change", () => {
      choose(entry);
      ask();
    });
    label.title = `${entry.about}; ${(entry.bytes / 1e6).toFixed(1)} MB`;
    label.append(input, make("span", "", entry.name));
    find("#models").append(label);
  }
}

async function start() {
  const read = async (file) => (await fetch(file)).json();
  [models, problems] = await Promise.all(
    ["models.json", "problems.json"].map(read),
  );
  const kept = new URLSearchParams(location.hash.slice(1));
  const chosen = models.find((m) => m.name === kept.get("model")) ?? models[0];
  find("#temperature").value = kept.get("temperature") ?? chosen.temperature;
  find("#seed").value = kept.get("seed") ?? 0;
  showSliders();
  offerModels(chosen);
  choose(chosen);
  for (const { about, problem, answer } of EXAMPLES) {
    const button = make("button", "link", about);
    button.type = "button";
    button.addEventListener("click", () => askAbout(problem, answer));
    find("#examples").append(button);
  }
  listenToTokens();
  find("#ask").addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
  });
  find("#problem").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    ask();
  });
  find("#problem").addEventListener("input", () => {
    find("#reference").value = ""; // it was another problem's
    fitHeight();
  });
  find("#random").addEventListener("click", () => {
    const drawn = problems[Math.floor(Math.random() * problems.length)];
    askAbout(drawn.problem, drawn.answer);
  });
  for (const slider of ["#temperature", "#seed"]) {
    find(slider).addEventListener("input", showSliders);
    find(slider).addEventListener("change", () => ask({ voteOnly: true }));
  }
  const isKept = kept.get("problem") !== null;
  const first = isKept ? Object.fromEntries(kept) : EXAMPLES[0];
  askAbout(first.problem, first.answer ?? "");
}

start().catch((error) => say(`The page cannot start: ${error.message}`, true));
