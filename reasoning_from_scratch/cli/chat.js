// The page of `rfs serve`: conversations, kept in this browser, with the model
// behind /v1. What the model writes is shown as text and never as markup.

const byId = (id) => document.getElementById(id);
const PREFIX = "rfs-chat-";
let model = { id: "", is_chat: true };
let current = null; // { id, title, turns: [{ role, content, reasoning, note }] }
let running = null; // the AbortController of the answer under way

// ---- Conversations: one entry each, so that two tabs do not collide

const read = (key) => {
  try {
    return JSON.parse(localStorage.getItem(key));
  } catch {
    return null;
  }
};
const stored = () =>
  Object.keys(localStorage)
    .filter((key) => key.startsWith(PREFIX))
    .map(read)
    .filter((each) => each?.id && Array.isArray(each.turns))
    .sort((a, b) => (b.id > a.id ? 1 : -1));

function save(conversation) {
  try {
    localStorage.setItem(PREFIX + conversation.id, JSON.stringify(conversation));
  } catch {
    // Full, or not allowed: the conversation lasts as long as this page
  }
  list();
}

function start() {
  const number = Math.random().toString(36).slice(2, 8);
  current = { id: `${Date.now()}-${number}`, title: "", turns: [] };
  show();
}

function open(conversation) {
  running?.abort();
  current = conversation;
  show();
}

function element(name, text, properties = {}) {
  return Object.assign(document.createElement(name), { textContent: text, ...properties });
}

function list() {
  const items = stored().map((each) => {
    const item = document.createElement("li");
    const title = element("button", each.title, { type: "button", title: each.title });
    if (each.id === current.id) title.setAttribute("aria-current", "true");
    title.addEventListener("click", () => open(each));
    const remove = element("button", "×", { type: "button", title: "Delete" });
    remove.setAttribute("aria-label", `Delete ${each.title}`);
    remove.addEventListener("click", () => {
      localStorage.removeItem(PREFIX + each.id);
      if (each.id === current.id) {
        running?.abort();
        start();
      }
      list();
    });
    item.append(title, remove);
    return item;
  });
  byId("conversations").replaceChildren(...items);
}

// ---- Turns

function draw(turn) {
  const article = element("article", "", { className: turn.role });
  const name = turn.role === "user" ? "You" : model.id;
  const thoughts = element("details", "");
  const text = element("div", "", { className: "text" });
  const note = element("p", "", { className: "note" });
  const inside = element("div", "");
  thoughts.append(element("summary", "Thoughts"), inside);
  article.append(element("h2", name), thoughts, text, note);
  const update = () => {
    const main = byId("turns");
    const isAtEnd = main.scrollHeight - main.scrollTop - main.clientHeight < 60;
    inside.textContent = turn.reasoning ?? "";
    thoughts.hidden = !turn.reasoning;
    text.textContent = turn.content.trimStart();
    note.textContent = turn.note ?? "";
    note.hidden = !turn.note;
    if (isAtEnd) main.scrollTop = main.scrollHeight;
  };
  update();
  byId("turns").append(article);
  return update;
}

function show() {
  byId("turns").replaceChildren();
  if (!model.is_chat) {
    const about = `${model.id} is a base model: it never learned to chat, so each problem stands alone.`;
    byId("turns").append(element("article", about));
  }
  current.turns.forEach(draw);
  byId("turns").scrollTop = byId("turns").scrollHeight;
  list();
}

// ---- Asking

async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (text + value).split("\n\n");
    text = parts.pop();
    for (const part of parts) {
      const content = part.replace(/^data: /, "");
      if (content && content !== "[DONE]") yield JSON.parse(content);
    }
  }
}

async function answer(conversation, turn, update) {
  const messages = conversation.turns.slice(0, -1).map(({ role, content }) => ({ role, content }));
  const response = await fetch("v1/chat/completions", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    signal: running.signal,
    body: JSON.stringify({
      model: model.id,
      messages,
      stream: true,
      temperature: Number(byId("temperature").value),
      chat_template_kwargs: { enable_thinking: byId("thinks").checked },
    }),
  });
  if (!response.ok) throw new Error((await response.json()).error.message);
  for await (const event of events(response)) {
    if (event.error) throw new Error(event.error.message);
    const [choice] = event.choices;
    if (!choice) continue;
    turn.content += choice.delta.content ?? "";
    turn.reasoning += choice.delta.reasoning_content ?? "";
    if (choice.finish_reason === "length") turn.note = "(cut: no room for more)";
    update();
  }
}

async function ask(question) {
  const conversation = current;
  const turn = { role: "assistant", content: "", reasoning: "" };
  conversation.title ||= question.slice(0, 60);
  conversation.turns.push({ role: "user", content: question });
  draw(conversation.turns.at(-1));
  conversation.turns.push(turn);
  const update = draw(turn);
  byId("turns").scrollTop = byId("turns").scrollHeight;
  running = new AbortController();
  busy(true);
  try {
    await answer(conversation, turn, update);
  } catch (error) {
    turn.note = error.name === "AbortError" ? "(stopped)" : String(error.message);
  }
  running = null;
  busy(false);
  update();
  save(conversation);
}

function busy(is) {
  byId("stop").disabled = !is;
  byId("send").disabled = is;
}

// ---- The page

byId("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  const question = byId("question").value.trim();
  if (!question || running) return;
  byId("question").value = "";
  ask(question);
});
byId("question").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    byId("ask").requestSubmit();
  }
});
byId("stop").addEventListener("click", () => running?.abort());
byId("new").addEventListener("click", () => {
  running?.abort();
  start();
});
const showTemperature = () => {
  byId("shown").textContent = Number(byId("temperature").value).toFixed(1);
};
byId("temperature").addEventListener("input", showTemperature);
addEventListener("storage", list);

start();
try {
  [model] = (await (await fetch("v1/models")).json()).data;
  byId("model").textContent = `${model.id}, ${model.max_model_len} tokens of context`;
  byId("temperature").value = model.temperature;
} catch {
  byId("model").textContent = "the server does not answer";
}
showTemperature();
show();
