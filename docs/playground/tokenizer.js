// From text to token ids and back, as reasoning_from_scratch/llm/tokenizer.py.
//
// Source: Sennrich et al. 2016 (BPE); Radford et al. 2019 (on bytes).

// Text is cut here first; no token crosses a cut. A digit stands alone.
const PIECES = new RegExp(
  "'(?:[sS]|[tT]|[rR][eE]|[vV][eE]|[mM]|[lL][lL]|[dD])" +
    "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*" +
    "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  "gu",
);

/** Text to token ids and back, by byte pair encoding. */
export class Tokenizer {
  constructor({ model, added_tokens: addedTokens }) {
    this.idOf = new Map(Object.entries(model.vocab));
    // Pairs of tokens that are joined, the earlier learnt the sooner
    this.rankOf = new Map(model.merges.map((pair, i) => [pair.join(" "), i]));
    this.letterOf = letters();
    const byteOf = new Map(this.letterOf.map((letter, byte) => [letter, byte]));
    this.bytesOf = []; // of each token id
    for (const [token, id] of this.idOf) {
      this.bytesOf[id] = Uint8Array.from(token, (each) => byteOf.get(each));
    }
    this.addedIdOf = new Map(addedTokens.map((t) => [t.content, t.id]));
    for (const [content, id] of this.addedIdOf) {
      this.bytesOf[id] = new TextEncoder().encode(content);
    }
    const names = [...this.addedIdOf.keys()].map((name) =>
      name.replace(/[|/]/g, "\\$&"),
    );
    this.added = new RegExp(`(${names.join("|")})`, "u");
    this.vocabSize = this.bytesOf.length;
  }

  /** Turn a text into a list of token ids. */
  encode(text) {
    const ids = [];
    for (const part of text.toWellFormed().split(this.added)) {
      if (this.addedIdOf.has(part)) ids.push(this.addedIdOf.get(part));
      else {
        for (const [piece] of part.normalize("NFC").matchAll(PIECES)) {
          for (const token of this.merge(piece)) ids.push(this.idOf.get(token));
        }
      }
    }
    return ids;
  }

  /** Start from single bytes and join the best pair until none is left. */
  merge(piece) {
    const bytes = new TextEncoder().encode(piece);
    const tokens = Array.from(bytes, (byte) => this.letterOf[byte]);
    for (;;) {
      let best = Infinity;
      let place = -1;
      for (let i = 0; i + 1 < tokens.length; i++) {
        const rank = this.rankOf.get(`${tokens[i]} ${tokens[i + 1]}`);
        if (rank < best) [best, place] = [rank, i];
      }
      if (place < 0) return tokens;
      tokens.splice(place, 2, tokens[place] + tokens[place + 1]);
    }
  }

  /** Turn token ids back into text; broken characters come out as U+FFFD. */
  decode(ids) {
    const bytes = ids.flatMap((id) => [...(this.bytesOf[id] ?? [])]);
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(
      Uint8Array.from(bytes),
    );
  }
}

/** One visible letter for each of the 256 bytes, as the vocabulary has it. */
function letters() {
  let next = 256; // bytes that cannot be printed are moved past 255
  return Array.from({ length: 256 }, (_, byte) => {
    const isPrintable =
      (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
    return String.fromCodePoint(isPrintable ? byte : next++);
  });
}
