// Finding the answer in a text, and comparing it with the reference answer.
//
// The package's verifier (reasoning_from_scratch/evaluation/verifier) reads
// far more kinds of answers; this one knows those of pocketmath: whole
// numbers, decimals, fractions, percentages, polynomials in one letter, and
// pairs and sets of these. Other answers are equal when they are spelled
// alike, and only what stands in a box counts as an answer. Nothing is ever
// evaluated: a text is matched against patterns, and is short when it is.

const MAX_CHARACTERS = 200; // of an answer that is read by value

/** What the last complete \boxed{...} holds, or null. */
export function extractAnswer(text) {
  const said = text.split("</think>").at(-1).split("<think>")[0];
  const boxes = [...said.matchAll(/\\boxed\{/g)].reverse();
  for (const box of boxes) {
    const start = box.index + box[0].length;
    const end = closingBrace(said, start);
    if (end >= 0) return said.slice(start, end).trim();
  }
  return null;
}

/** Where the brace closes that opened just before `start`; -1 if nowhere. */
function closingBrace(text, start) {
  let depth = 1;
  for (let i = start; i < text.length; i++) {
    if (text[i] === "\\") i++; // \{ and \} are letters, not braces
    else if (text[i] === "{") depth++;
    else if (text[i] === "}" && --depth === 0) return i;
  }
  return -1;
}

/** Whether two answers certainly mean the same. */
export function answersEqual(first, second) {
  if (first === null || second === null) return false;
  const [left, right] = [clean(first), clean(second)];
  if (left === right) return left !== "";
  if (Math.max(left.length, right.length) > MAX_CHARACTERS) return false;
  return sameValue(read(left), read(right));
}

/**
 * Number the answers in order of appearance; equal ones share a number, and
 * null, no answer, stays null.
 */
export function groupAnswers(answers) {
  const firsts = [];
  return answers.map((answer) => {
    if (answer === null) return null;
    const group = firsts.findIndex((other) => answersEqual(answer, other));
    return group >= 0 ? group : firsts.push(answer) - 1;
  });
}

/** An answer without layout: spaces, dollar signs, \left, "x =". */
export function clean(answer) {
  return answer
    .replaceAll("−", "-")
    .replace(/\\left|\\right|\\[,;!: ]|\$|\s/g, "")
    .replace(/\\[dt]frac/g, "\\frac")
    .replace(/\\([{}%])/g, "$1")
    .replace(/^[a-z]=/, "")
    .replace(/\.$/, "");
}

/** A cleaned answer as {list, isOrdered}, {terms, isPercent}, or null. */
function read(text) {
  const list = /^\((.*,.*)\)$|^\{(.*)\}$/.exec(text);
  if (list) {
    const items = (list[1] ?? list[2]).split(",").map(readPolynomial);
    return { list: items, isOrdered: list[1] !== undefined };
  }
  return readPolynomial(text);
}

const DIGITS = "\\d{1,18}";
const DECIMALS = "\\.\\d{1,9}";
const NUMBER =
  `(?:\\d{1,3}(?:,\\d{3})+|${DIGITS})(?:${DECIMALS})?|${DECIMALS}` +
  `|\\\\frac\\{-?${DIGITS}\\}\\{-?${DIGITS}\\}`;
const LETTER = "([a-z])(?:\\^\\{?(\\d)\\}?)?"; // perhaps with a power
// A sign, a number that may be over another, and a letter
const TERM = new RegExp(
  `^([+-]?)(?:(${NUMBER})(?:/(${DIGITS}))?)?\\*?(?:${LETTER})?`,
);

/** A sum of terms -> {terms: power -> fraction, letter, isPercent}. */
function readPolynomial(text) {
  const isPercent = text.endsWith("%");
  let rest = isPercent ? text.slice(0, -1) : text;
  const terms = new Map();
  let known = null;
  while (rest !== "") {
    const [all, sign, number, divisor, letter, power] = TERM.exec(rest);
    if (number === undefined && letter === undefined) return null;
    if (terms.size > 0 && sign === "") return null; // 2x3: no plus between
    if (letter !== undefined && letter !== (known ??= letter)) return null;
    const value = readNumber(number ?? "1", divisor ?? "1");
    if (value === null) return null;
    if (sign === "-") value.top = -value.top;
    const place = letter === undefined ? 0 : Number(power ?? 1);
    terms.set(place, add(terms.get(place), value));
    rest = rest.slice(all.length);
  }
  if (terms.size === 0) return null;
  for (const [place, value] of terms) if (!value.top) terms.delete(place);
  return { terms, letter: known, isPercent };
}

/** A number over a divisor as an exact fraction {top, bottom}, or null. */
function readNumber(number, divisor) {
  const parts = /^\\frac\{(.*)\}\{(.*)\}$/.exec(number);
  let [top, bottom] = parts ? [parts[1], parts[2]] : [number, "1"];
  const [whole, decimals = ""] = top.replaceAll(",", "").split(".");
  top = BigInt(whole + decimals);
  bottom = BigInt(bottom) * BigInt(divisor) * 10n ** BigInt(decimals.length);
  if (bottom === 0n) return null;
  return bottom < 0n ? { top: -top, bottom: -bottom } : { top, bottom };
}

const add = (a, b) =>
  a === undefined
    ? b
    : { top: a.top * b.bottom + b.top * a.bottom, bottom: a.bottom * b.bottom };

/** Compare what `read` gave. */
function sameValue(left, right) {
  if (left === null || right === null) return false;
  if (left.list && right.list) return sameList(left, right);
  if (left.list || right.list) return false;
  if (samePolynomial(left, right, 1n)) return true;
  if (left.isPercent === right.isPercent) return false;
  // 50% is 50 as an answer, and 0.5 as well
  const [share, plain] = left.isPercent ? [left, right] : [right, left];
  return samePolynomial(share, plain, 100n);
}

function sameList(left, right) {
  if (left.isOrdered !== right.isOrdered) return false;
  if (left.list.includes(null) || right.list.includes(null)) return false;
  if (left.isOrdered) {
    const isEqual = (item, i) => sameValue(item, right.list[i]);
    return left.list.length === right.list.length && left.list.every(isEqual);
  }
  const isIn = (list) => (item) => list.some((each) => sameValue(item, each));
  return left.list.every(isIn(right.list)) && right.list.every(isIn(left.list));
}

/** Whether left = right * scale, term by term. */
function samePolynomial(left, right, scale) {
  const isSame = ([place, { top, bottom }]) => {
    const other = right.terms.get(place);
    return other && top * other.bottom === other.top * bottom * scale;
  };
  return (
    left.terms.size === right.terms.size &&
    (left.letter === right.letter || left.terms.size === 0) &&
    [...left.terms].every(isSame)
  );
}
