// A Qwen3 language model in one file, without a library: it reads a problem,
// token by token, and writes an answer, in a browser or under Node.
//
// The same model in PyTorch stands in reasoning_from_scratch/llm, one file a
// subject; this one follows it name by name. What is a tensor there is a flat
// Float32Array here, row after row, and every operation is a loop that can be
// read. Top to bottom: the file of weights, the arithmetic, the cache, the
// model, and the loop that writes. Beside it lie tokenizer.js and random.js.
//
// Sources: Yang et al. 2025 (Qwen3); Zhang and Sennrich 2019 (RMSNorm); Su et
// al. 2021 (RoPE); Ainslie et al. 2023 (grouped queries); Shazeer 2020
// (SwiGLU).

import { uniformNumbers } from "./random.js";
import { Tokenizer } from "./tokenizer.js";

// ---- The file of weights -------------------------------------------------

/** Fetch a model file and open it -> {model, tokenizer}. */
export async function loadModel(url, onProgress = () => {}) {
  const response = await fetch(url);
  if (!response.ok) {
    throw new Error(`${url} cannot be read (status ${response.status})`);
  }
  const total = Number(response.headers.get("Content-Length"));
  const parts = [];
  let received = 0;
  for (const reader = response.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    received += value.length;
    onProgress(received, total);
  }
  return openModel(await new Blob(parts).arrayBuffer());
}

/**
 * Open the bytes of a model file -> {model, tokenizer}.
 *
 * A safetensors file: the length of a header in 8 bytes, the header in JSON,
 * then the numbers. Ours keeps config.json and tokenizer.json in the header,
 * so that one file is the whole model.
 */
export function openModel(buffer) {
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  const text = new TextDecoder().decode(new Uint8Array(buffer, 8, length));
  const { __metadata__: about, ...entries } = JSON.parse(text);
  const tensors = {};
  for (const [name, entry] of Object.entries(entries)) {
    if (entry.dtype !== "F16") {
      throw new Error(`${name} is ${entry.dtype}; expected 16-bit floats`);
    }
    const [start, end] = entry.data_offsets;
    const halves = new Uint16Array(
      buffer.slice(8 + length + start, 8 + length + end),
    );
    tensors[name] = widen(halves);
  }
  const tokenizer = new Tokenizer(JSON.parse(about.tokenizer));
  const config = JSON.parse(about.config);
  tokenizer.stopIds = new Set([config.eos_token_id].flat());
  return { model: new Qwen3(config, tensors), tokenizer };
}

/** 16-bit floats as 32-bit floats. */
function widen(halves) {
  // The exponent of a half has 5 bits and counts from -15, that of a float 8
  // bits from -127: with its bits moved in place, a half is 2^112 too small
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < bits.length; i++) {
    bits[i] = ((halves[i] & 0x8000) << 16) | ((halves[i] & 0x7fff) << 13);
  }
  const floats = new Float32Array(bits.buffer);
  for (let i = 0; i < floats.length; i++) floats[i] *= 2 ** 112;
  return floats;
}

// ---- Arithmetic ----------------------------------------------------------

/** A learned matrix, or several with the same inputs, one below the other. */
class Matrix {
  constructor(numInputs, ...parts) {
    this.numInputs = numInputs;
    const size = parts.reduce((sum, part) => sum + part.length, 0);
    this.numOutputs = size / numInputs; // a multiple of four
    this.weights = new Float32Array(size);
    let start = 0;
    for (const part of parts) {
      this.weights.set(part, start);
      start += part.length;
    }
  }

  /** Multiply `count` vectors of x, writing as many vectors to `out`. */
  multiply(out, x, count) {
    const { weights, numInputs: size, numOutputs } = this;
    // Four rows at once: an input that is read serves four sums, none of
    // which waits for another. The rows stay near for the next vector.
    for (let row = 0; row < numOutputs; row += 4) {
      const first = row * size;
      for (let vector = 0; vector < count; vector++) {
        const start = vector * size;
        let [a, b, c, d] = [0, 0, 0, 0];
        for (let i = 0; i < size; i++) {
          const input = x[start + i];
          const at = first + i;
          a += weights[at] * input;
          b += weights[at + size] * input;
          c += weights[at + 2 * size] * input;
          d += weights[at + 3 * size] * input;
        }
        const to = vector * numOutputs + row;
        out[to] = a;
        out[to + 1] = b;
        out[to + 2] = c;
        out[to + 3] = d;
      }
    }
  }
}

/** RMSNorm: scale a vector to root mean square 1, then by learned weights. */
function normalize(out, outStart, x, start, weights, epsilon) {
  const size = weights.length;
  let sum = 0;
  for (let i = 0; i < size; i++) sum += x[start + i] * x[start + i];
  const scale = 1 / Math.sqrt(sum / size + epsilon);
  for (let i = 0; i < size; i++) {
    out[outStart + i] = x[start + i] * scale * weights[i];
  }
}

/** RoPE: turn the pairs (i, i + headDim / 2) by the angles of a position. */
function rotate(x, start, cosines, sines, position, half) {
  for (let i = 0; i < half; i++) {
    const cosine = cosines[position * half + i];
    const sine = sines[position * half + i];
    const first = x[start + i];
    const second = x[start + half + i];
    x[start + i] = first * cosine - second * sine;
    x[start + half + i] = second * cosine + first * sine;
  }
}

/** Turn the first `size` numbers into probabilities, in place. */
function softmax(x, size) {
  let largest = -Infinity;
  for (let i = 0; i < size; i++) if (x[i] > largest) largest = x[i];
  let sum = 0;
  for (let i = 0; i < size; i++) sum += x[i] = Math.exp(x[i] - largest);
  for (let i = 0; i < size; i++) x[i] /= sum;
}

// ---- The cache -----------------------------------------------------------

/** Keys and values of all tokens of one text, so that none is read twice. */
export class KVCache {
  constructor(config, maxTokens) {
    this.length = 0;
    this.size = config.num_key_value_heads * config.head_dim; // of one token
    const layers = { length: config.num_hidden_layers };
    const empty = () => new Float32Array(maxTokens * this.size);
    this.keys = Array.from(layers, empty);
    this.values = Array.from(layers, empty);
  }

  /** Start from what another cache holds. */
  copy(other) {
    this.length = other.length;
    const end = other.length * this.size;
    other.keys.forEach((k, i) => this.keys[i].set(k.subarray(0, end)));
    other.values.forEach((v, i) => this.values[i].set(v.subarray(0, end)));
    return this;
  }
}

// ---- The model -----------------------------------------------------------

const MAX_BATCH = 16; // tokens that are read together

/** Token ids in, logits for each next token out. */
export class Qwen3 {
  constructor(config, tensors) {
    this.config = config;
    const hidden = config.hidden_size;
    const inner = config.intermediate_size;
    this.numQueries = config.num_attention_heads * config.head_dim;
    this.numKeys = config.num_key_value_heads * config.head_dim;
    const embedding = tensors["model.embed_tokens.weight"];
    this.embedding = embedding;
    this.head = new Matrix(hidden, tensors["lm_head.weight"] ?? embedding);
    this.norm = tensors["model.norm.weight"];
    this.layers = Array.from({ length: config.num_hidden_layers }, (_, i) => {
      const get = (name) => tensors[`model.layers.${i}.${name}.weight`];
      const attention = ["q_proj", "k_proj", "v_proj"];
      return {
        inputNorm: get("input_layernorm"),
        queryNorm: get("self_attn.q_norm"),
        keyNorm: get("self_attn.k_norm"),
        attention: new Matrix(
          hidden,
          ...attention.map((name) => get(`self_attn.${name}`)),
        ),
        output: new Matrix(this.numQueries, get("self_attn.o_proj")),
        innerNorm: get("post_attention_layernorm"),
        gateAndUp: new Matrix(
          hidden,
          get("mlp.gate_proj"),
          get("mlp.up_proj"),
        ),
        down: new Matrix(inner, get("mlp.down_proj")),
      };
    });
    this.prepareAngles();
    // Room for everything in between, so that a token allocates nothing
    const room = (size) => new Float32Array(MAX_BATCH * size);
    this.x = room(hidden); // what the layers add to
    this.normed = room(hidden);
    this.projected = room(this.numQueries + 2 * this.numKeys);
    this.context = room(this.numQueries);
    this.added = room(hidden);
    this.inner = room(2 * inner);
    this.gated = room(inner);
    this.logits = room(config.vocab_size);
    this.scores = new Float32Array(config.max_position_embeddings);
    this.positions = new Int32Array(MAX_BATCH);
  }

  /** Cosines and sines of every position and frequency. */
  prepareAngles() {
    const { head_dim: size, rope_theta: theta } = this.config;
    const half = size / 2;
    const count = this.config.max_position_embeddings * half;
    this.cosines = new Float32Array(count);
    this.sines = new Float32Array(count);
    for (let i = 0; i < count; i++) {
      const frequency = Math.fround(theta ** (-(i % half) / half));
      const angle = Math.fround(Math.floor(i / half) * frequency);
      this.cosines[i] = Math.cos(angle);
      this.sines[i] = Math.sin(angle);
    }
  }

  /**
   * Read token i behind what caches[i] holds; its logits lie in
   * this.logits, from i * vocab_size on.
   *
   * A prompt is a batch that names one cache several times: each token sees
   * those before it. Sixteen samples are a batch of sixteen caches.
   */
  read(tokenIds, caches) {
    const { hidden_size: hidden, rms_norm_eps: epsilon } = this.config;
    const count = tokenIds.length;
    for (let i = 0; i < count; i++) {
      this.positions[i] = caches[i].length++;
      const start = tokenIds[i] * hidden;
      const vector = this.embedding.subarray(start, start + hidden);
      this.x.set(vector, i * hidden);
    }
    const normalizeAll = (weights) => {
      for (let i = 0; i < count * hidden; i += hidden) {
        normalize(this.normed, i, this.x, i, weights, epsilon);
      }
    };
    const add = () => {
      for (let i = 0; i < count * hidden; i++) this.x[i] += this.added[i];
    };
    this.layers.forEach((layer, number) => {
      normalizeAll(layer.inputNorm);
      layer.attention.multiply(this.projected, this.normed, count);
      for (let i = 0; i < count; i++) this.remember(layer, number, i, caches);
      for (let i = 0; i < count; i++) this.attend(number, i, caches[i]);
      layer.output.multiply(this.added, this.context, count);
      add();
      normalizeAll(layer.innerNorm);
      layer.gateAndUp.multiply(this.inner, this.normed, count);
      this.gate(count);
      layer.down.multiply(this.added, this.gated, count);
      add();
    });
    normalizeAll(this.norm);
    this.head.multiply(this.logits, this.normed, count);
  }

  /** Normalise and turn the queries and keys; write the cache. */
  remember(layer, number, i, caches) {
    const { head_dim: size, rms_norm_eps: epsilon } = this.config;
    const x = this.projected;
    const start = i * (this.numQueries + 2 * this.numKeys);
    const keys = start + this.numQueries;
    const values = keys + this.numKeys;
    const position = this.positions[i];
    for (let head = start; head < values; head += size) {
      const weights = head < keys ? layer.queryNorm : layer.keyNorm;
      normalize(x, head, x, head, weights, epsilon);
      rotate(x, head, this.cosines, this.sines, position, size / 2);
    }
    const to = position * this.numKeys;
    const { keys: allKeys, values: allValues } = caches[i];
    allKeys[number].set(x.subarray(keys, values), to);
    allValues[number].set(x.subarray(values, values + this.numKeys), to);
  }

  /** Attention: a mean of the values, weighted by how keys fit a query. */
  attend(number, i, cache) {
    const { head_dim: size, num_attention_heads: numHeads } = this.config;
    const groupSize = numHeads / this.config.num_key_value_heads;
    const { scores, projected, context } = this;
    const keys = cache.keys[number];
    const values = cache.values[number];
    const length = this.positions[i] + 1;
    const width = this.numKeys;
    for (let head = 0; head < numHeads; head++) {
      const query = i * (this.numQueries + 2 * width) + head * size;
      const shared = Math.floor(head / groupSize) * size; // a group's head
      for (let t = 0; t < length; t++) {
        let sum = 0;
        const key = t * width + shared;
        for (let d = 0; d < size; d++) {
          sum += projected[query + d] * keys[key + d];
        }
        scores[t] = sum / Math.sqrt(size);
      }
      softmax(scores, length);
      const to = i * this.numQueries + head * size;
      context.fill(0, to, to + size);
      for (let t = 0; t < length; t++) {
        const value = t * width + shared;
        for (let d = 0; d < size; d++) {
          context[to + d] += scores[t] * values[value + d];
        }
      }
    }
  }

  /** SwiGLU: the gate, through silu, times what came up. */
  gate(count) {
    const size = this.config.intermediate_size;
    for (let i = 0; i < count; i++) {
      for (let j = 0; j < size; j++) {
        const gate = this.inner[2 * i * size + j];
        const up = this.inner[2 * i * size + size + j];
        this.gated[i * size + j] = (gate / (1 + Math.exp(-gate))) * up;
      }
    }
  }
}

// ---- Writing -------------------------------------------------------------

/** The token at which the cumulative probability passes `uniform`. */
function drawToken(probabilities, size, uniform) {
  let total = 0;
  for (let i = 0; i < size; i++) total += probabilities[i];
  let sum = 0;
  for (let i = 0; i < size; i++) {
    sum += probabilities[i];
    if (sum >= uniform * total) return i;
  }
  return size - 1;
}

/** The likeliest tokens, best first, each as [token id, probability]. */
function likeliest(probabilities, size, count) {
  const best = [];
  for (let id = 0; id < size; id++) {
    const probability = probabilities[id];
    if (best.length === count && probability <= best.at(-1)[1]) continue;
    let place = best.length;
    while (place > 0 && best[place - 1][1] < probability) place--;
    best.splice(place, 0, [id, probability]);
    best.length = Math.min(best.length, count);
  }
  return best;
}

/**
 * Complete a prompt, `numSamples` times at once.
 *
 * Yields after every step a list with one event for each sample that is not
 * yet finished: {sample, id, text, probability, alternatives, end}. The
 * probability is the one the token was drawn with (at temperature 1 when
 * greedy, which is temperature 0); `text` holds whole characters only; `end`
 * is "stop", "length" or undefined. `forced` token ids are written first.
 */
export function* generate(model, tokenizer, prompt, options = {}) {
  const { numSamples = 1, temperature = 0, seed = 0 } = options;
  const { maxNewTokens = 192, identifier = prompt, forced = [] } = options;
  const { max_position_embeddings: limit, vocab_size: width } = model.config;
  const promptIds = [...tokenizer.encode(prompt), ...forced];
  const room = promptIds.length - forced.length + maxNewTokens;
  if (room > limit) {
    throw new Error(
      `The problem has ${promptIds.length} tokens; with ${maxNewTokens} more ` +
        `it exceeds the model's ${limit} positions. Shorten it.`,
    );
  }
  const prefix = new KVCache(model.config, room);
  let rows = [];
  for (let start = 0; start < promptIds.length; start += MAX_BATCH) {
    rows = promptIds.slice(start, start + MAX_BATCH);
    model.read(rows, rows.map(() => prefix));
  }
  const last = (rows.length - 1) * width;
  const first = model.logits.slice(last, last + width);
  let samples = Array.from({ length: numSamples }, (_, sample) => ({
    sample,
    cache: new KVCache(model.config, room).copy(prefix),
    uniform: uniformNumbers(seed, identifier, sample, maxNewTokens),
    decoder: new TextDecoder("utf-8", { ignoreBOM: true }),
  }));
  const probabilities = new Float32Array(width);
  for (let position = forced.length; position < maxNewTokens; position++) {
    const events = samples.map((row, place) => {
      const start = place * width;
      const logits = model.logits.subarray(start, start + width);
      probabilities.set(position === forced.length ? first : logits);
      if (temperature > 0) {
        for (let i = 0; i < width; i++) probabilities[i] /= temperature;
      }
      softmax(probabilities, width);
      // Behind the vocabulary lie padding rows of the embedding
      const alternatives = likeliest(probabilities, tokenizer.vocabSize, 5);
      const id =
        temperature > 0
          ? drawToken(probabilities, tokenizer.vocabSize, row.uniform[position])
          : alternatives[0][0];
      const isStop = tokenizer.stopIds.has(id);
      const isFull = position + 1 === maxNewTokens;
      row.id = id;
      row.end = isStop ? "stop" : isFull ? "length" : undefined;
      const bytes = isStop ? new Uint8Array() : tokenizer.bytesOf[id];
      const text = row.decoder.decode(bytes, { stream: !row.end });
      return {
        sample: row.sample,
        id,
        text,
        probability: probabilities[id],
        alternatives,
        end: row.end,
      };
    });
    yield events;
    samples = samples.filter((row) => !row.end);
    if (samples.length === 0) return;
    for (let start = 0; start < samples.length; start += MAX_BATCH) {
      const batch = samples.slice(start, start + MAX_BATCH);
      model.read(
        batch.map((row) => row.id),
        batch.map((row) => row.cache),
      );
    }
  }
}
