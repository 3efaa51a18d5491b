(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  const by = id => document.getElementById(id);
  const raw = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
  const text = data.text, bits = raw(text.bits), entropy = raw(text.entropy), chances = raw(text.chances);
  const guesses = new (text.guessBytes === 2 ? Uint16Array : Uint32Array)(raw(text.guesses).buffer);

  // What a page must not obey, or cannot show, is shown as a sign.
  const shown = c => {
    const code = c.codePointAt(0);
    if (c === "\n") return "↵\n";
    if (c === "\t") return c;
    if (code < 32) return String.fromCharCode(0x2400 + code);
    return /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\u2028\u2029]/u.test(c) ? "\ufffd" : c;
  };
  const level = b => b === text.leftOut ? "x" : text.levels.filter(top => b >= top).length;

  const symbols = text.symbols.map(symbol => Array.from(symbol, shown).join(""));

  // A text of one span for each character, with a place that the keyboard moves.
  class Characters {
    constructor(element, onPlace, onEdge) {
      Object.assign(this, {element, onPlace, onEdge, place: -1, spans: []});
      let at = "";
      const point = e => {
        // A text that scrolls by the keyboard moves under a pointer that rests.
        const here = `${e.screenX},${e.screenY}`, n = this.spans.indexOf(e.target);
        if (n >= 0 && n !== this.place && (here !== at || e.type === "click")) this.go(n, false);
        at = here;
      };
      element.addEventListener("pointermove", point);
      element.addEventListener("click", point);
      element.addEventListener("keydown", e => {
        const step = {ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.line(1), ArrowUp: this.line(-1), Home: -this.place, End: this.spans.length - 1 - this.place}[e.key];
        if (step === undefined || e.ctrlKey || e.metaKey || e.altKey) return;
        e.preventDefault();
        const to = this.place + step;
        if (to < 0 || to >= this.spans.length) { if (this.onEdge) this.onEdge(Math.sign(step)); else this.go(to < 0 ? 0 : this.spans.length - 1); }
        else this.go(to);
      });
    }
    line(direction) {
      const here = this.spans[Math.max(this.place, 0)];
      if (!here) return 0;
      const x = here.offsetLeft, y = here.offsetTop;
      for (let n = this.place + direction, other; (other = this.spans[n]); n += direction)
        if (other.offsetTop !== y && (direction < 0 ? other.offsetLeft <= x : other.offsetLeft + other.offsetWidth > x)) return n - this.place;
      return direction;
    }
    show(characters, paint) {
      const all = document.createDocumentFragment();
      this.spans = characters.map((c, n) => { const span = document.createElement("span"); span.textContent = shown(c); paint(span, n); all.append(span); return span; });
      this.element.replaceChildren(all);
      this.place = -1;
    }
    repaint(paint) { this.spans.forEach(paint); }
    go(n, scroll = true) {
      this.spans[this.place]?.classList.remove("on");
      this.place = n;
      const span = this.spans[n];
      if (!span) return;
      span.classList.add("on");
      if (scroll) span.scrollIntoView({block: "nearest"});
      this.onPlace(n);
    }
  }

  // Surprise.
  let page = 0;
  const name = c => c === "\n" ? "line end" : c === " " ? "space" : shown(c);
  const surprise = new Characters(by("text"), n => {
    const at = page * text.pageChars + n, b = bits[at], c = Array.from(text.pages[page])[n];
    const likely = [];
    for (let k = 0; k < text.numGuesses; k++) likely.push(`${symbols[guesses[at * text.numGuesses + k]]} ${Math.round(chances[at * text.numGuesses + k] / 2.55)}%`);
    by("detail").textContent = b === text.leftOut ? `${name(c)}: not predicted; unknown to the model, or part of a prompt.`
      : `${name(c)}: ${b === text.mostBits ? "at least " : ""}${(b / 16).toFixed(1)} bits. Likeliest here: ${likely.join(", ")}. Entropy ${(entropy[at] / 16).toFixed(1)} bits.`;
  }, direction => turn(page + direction, direction > 0 ? 0 : -1));
  const turn = (to, place) => {
    if (to < 0 || to >= text.pages.length) return;
    page = to;
    const start = page * text.pageChars;
    surprise.show(Array.from(text.pages[page]), (span, n) => { const l = level(bits[start + n]); if (l) span.className = `b${l}`; });
    by("page").value = page + 1;
    if (place !== undefined) surprise.go(place < 0 ? surprise.spans.length - 1 : place);
  };
  by("pages").textContent = text.pages.length;
  by("page").max = text.pages.length;
  by("page").addEventListener("change", e => turn(Math.min(Math.max(1, +e.target.value || 1), text.pages.length) - 1));
  document.querySelectorAll("[data-page]").forEach(b => b.addEventListener("click", () => turn(page + +b.dataset.page)));
  document.querySelectorAll("[data-place]").forEach(a => a.addEventListener("click", e => {
    e.preventDefault();
    const at = +a.dataset.place;
    turn(Math.floor(at / text.pageChars), at % text.pageChars);
    by("text").focus();
  }));
  turn(0);

  // Units.
  const start = Array.from(text.pages.slice(0, Math.ceil(Math.max(data.units.numChars, data.gates.numChars) / text.pageChars)).join(""));
  const decoded = new Map();
  const values = (part, group, unit) => {
    if (!decoded.has(group)) decoded.set(group, new Int8Array(raw(group.values).buffer));
    const from = unit * part.numChars, scale = group.scales[unit];
    return Array.from(decoded.get(group).subarray(from, from + part.numChars), v => v / 127 * scale);
  };
  const tint = (span, v, most) => { span.style.backgroundColor = Math.abs(v) < 0.02 * most ? "" : `rgba(var(${v < 0 ? "--neg" : "--pos"}), ${(0.85 * Math.min(1, Math.abs(v) / most)).toFixed(2)})`; };
  let current = [];
  const watched = new Characters(by("unit-text"), n => { by("unit-value").textContent = `${name(start[n])}: ${current[n].toFixed(3)}`; });
  watched.show(start.slice(0, data.units.numChars), () => {});
  data.units.groups.forEach((group, n) => by("group").append(new Option(group.name, n)));
  const watch = () => {
    const part = data.units, group = part.groups[+by("group").value];
    const unit = Math.min(Math.max(0, +by("unit").value || 0), part.numUnits - 1);
    current = values(part, group, unit);
    const most = Math.max(0.05, ...current.map(Math.abs));
    watched.repaint((span, n) => tint(span, current[n], most));
    by("unit-value").textContent = `${group.name}${unit}: from ${Math.min(...current).toFixed(2)} to ${Math.max(...current).toFixed(2)}`;
  };
  by("unit").max = data.units.numUnits - 1;
  for (const id of ["group", "unit"]) by(id).addEventListener("input", watch);
  document.querySelectorAll("[data-unit]").forEach(a => a.addEventListener("click", e => {
    e.preventDefault();
    const [layer, state, number] = a.dataset.unit.split(",");
    by("group").value = data.units.groups.findIndex(g => g.name === `layer ${layer} ${state}`);
    by("unit").value = number;
    watch();
    by("unit-text").focus();
    by("unit-text").scrollIntoView({block: "center"});
  }));
  const first = document.querySelector("tr:not(.weak) [data-unit]") || document.querySelector("[data-unit]");
  if (first) {
    const [layer, state, number] = first.dataset.unit.split(",");
    by("group").value = data.units.groups.findIndex(g => g.name === `layer ${layer} ${state}`);
    by("unit").value = number;
  }
  watch();

  // Gates along the beginning.
  const gates = by("gate-text");
  if (gates && data.gates.groups.length) {
    const part = data.gates, length = Math.min(part.numChars, 120);
    const draw = () => {
      const unit = Math.min(Math.max(0, +by("gate-unit").value || 0), part.numUnits - 1);
      const table = document.createElement("table");
      table.className = "gate";
      const head = table.insertRow();
      head.append(document.createElement("th"));
      for (const c of start.slice(0, length)) head.insertCell().textContent = shown(c).trim() || "·";
      for (const group of part.groups) {
        const row = table.insertRow(), title = document.createElement("th");
        title.scope = "row";
        title.textContent = group.name;
        row.append(title);
        for (const v of values(part, group, unit).slice(0, length)) { const cell = row.insertCell(); tint(cell, v, 1); cell.title = v.toFixed(2); cell.textContent = v > 0.9 ? "●" : v < 0.1 ? "○" : " "; }
      }
      gates.replaceChildren(table);
    };
    by("gate-unit").max = part.numUnits - 1;
    by("gate-unit").addEventListener("input", draw);
    draw();
  }
})();
