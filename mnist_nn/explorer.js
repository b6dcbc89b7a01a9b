// What NetworkExplorer adds to the canvas, whose script stands before this one: every layer's
// neurons, one neuron in detail, and the controls. Like the canvas, it only displays: what is
// changed goes to Python, and the network's activations, accuracy and weights come back.

const WAIT = 300; // milliseconds after which an answer is late
const PASSAGE = 600; // milliseconds that the pointer may take from a neuron to its card
const MOST_BARS = 16; // a layer with more neurons is drawn as a grid
const CONNECTIONS = 6; // drawn on each side of a neuron
const LIT = "#e69f00", RAISES = "#c8460e", LOWERS = "#0072b2"; // red and blue as in plot_weights

const EXPLORER_STYLE = `
  .mnist-explorer {${THEME}
    --cell: color-mix(in srgb, var(--ink) 9%, var(--paper));
    --edge: color-mix(in srgb, var(--ink) 22%, var(--paper));
    container-type: inline-size; max-width: 960px; box-sizing: border-box; padding: 8px;
    color: var(--ink); background: var(--paper); font: 14px system-ui, sans-serif;
  }
  .mnist-explorer .mnist-canvas {
    position: relative; width: auto; gap: 12px; padding: 0; justify-content: space-between;
  }
  .mnist-explorer .mnist-canvas > div:nth-child(2) { width: 112px; }
  .mnist-explorer .mnist-canvas svg:not(.wires) {
    width: 180px; height: 180px; background-size: 100%; image-rendering: pixelated;
  }
  .mnist-explorer .mnist-canvas canvas { width: 112px; height: 112px; }
  .mnist-explorer .mnist-canvas .buttons { max-width: 182px; flex-wrap: wrap; gap: 6px; }
  .mnist-explorer .mnist-canvas button { padding: 4px 10px; }
  .mnist-explorer .mnist-canvas .bars, .mnist-explorer .mnist-canvas form { display: none; } /* the output layer has bars of its own */
  .mnist-explorer .mnist-canvas output { width: 196px; margin: 0 0 8px; }
  .mnist-explorer .mnist-canvas p, .mnist-explorer .mnist-canvas output {
    display: flex; flex-wrap: wrap; align-content: flex-end; column-gap: 10px; min-height: 4.05em; line-height: 1.35;
  }
  .mnist-explorer .wires {
    position: absolute; inset: 0; width: 100%; height: 100%; border: 0; pointer-events: none;
    cursor: inherit; overflow: visible;
  }
  .mnist-explorer .wires path { fill: none; stroke-linecap: round; }
  .mnist-explorer p { margin: 0 0 8px; }
  .mnist-explorer .muted { opacity: 0.72; }
  .mnist-explorer .layer { width: min-content; }
  .mnist-explorer .layer p > * { white-space: nowrap; }
  .mnist-explorer label { cursor: pointer; display: inline-flex; align-items: center; gap: 5px; }
  .mnist-explorer input { margin: 0; accent-color: ${LOWERS}; cursor: pointer; }
  .mnist-explorer .neurons { display: grid; gap: 3px; width: max-content; }
  .mnist-explorer [role=option] { cursor: pointer; box-sizing: border-box; }
  .mnist-explorer .cell {
    --lit: 0%; width: var(--size); height: var(--size); border-radius: 4px; border: 1px solid var(--edge);
    background: color-mix(in srgb, ${LIT} var(--lit), var(--cell));
    box-shadow: 0 0 8px color-mix(in srgb, ${LIT} calc(var(--lit) - 55%), transparent);
    transition: background 0.12s, box-shadow 0.12s;
  }
  .mnist-explorer .off {
    opacity: 0.45; border-style: dashed;
    background: linear-gradient(45deg, transparent 46%, var(--ink) 46% 54%, transparent 54%);
  }
  .mnist-explorer .class {
    display: grid; grid-template-columns: subgrid; grid-column: 1 / -1; align-items: center;
    padding: 1px 6px; height: 19px; border: 1px solid transparent; border-radius: 4px;
    font-variant-numeric: tabular-nums;
  }
  .mnist-explorer .output .neurons { grid-template-columns: fit-content(110px) 96px 5ch; gap: 0 8px; }
  .mnist-explorer .layer.output { width: max-content; }
  .mnist-explorer .class .name, .mnist-explorer .weights span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
  .mnist-explorer .class .name::after { /* room for bold, so that no bar moves */
    content: attr(title); display: block; height: 0; visibility: hidden; font-weight: 600;
  }
  .mnist-explorer .class .bar, .mnist-explorer .scale { height: 11px; border-radius: 2px; background: var(--cell); }
  .mnist-explorer .class .bar div { height: 100%; border-radius: 2px; background: #888; transition: width 0.12s; }
  .mnist-explorer .class.best { font-weight: 600; }
  .mnist-explorer .class.best .bar div { background: ${LOWERS}; }
  .mnist-explorer [role=option].looked { border: 2px solid var(--ink); }
  .mnist-explorer :focus-visible { outline: 2px solid ${LOWERS}; outline-offset: 2px; }
  .mnist-explorer .below { display: flex; flex-wrap: wrap; gap: 16px; margin-top: 16px; align-items: stretch; }
  .mnist-explorer .below > * {
    border: 1px solid var(--edge); border-radius: 8px; padding: 12px 14px; box-sizing: border-box; min-width: 0;
  }
  .mnist-explorer .controls { flex: 1 1 270px; margin: 0; display: grid; gap: 12px; align-content: start; }
  .mnist-explorer .neuron { flex: 2.2 1 430px; min-height: 268px; }
  .mnist-explorer h4 { margin: 0; font-size: 15px; font-weight: 600; line-height: 1.3; }
  .mnist-explorer .row { display: flex; flex-wrap: wrap; gap: 4px 14px; align-items: center; justify-content: space-between; }
  .mnist-explorer input[type=range] { width: 100%; margin: 2px 0; }
  .mnist-explorer .ticks { position: relative; height: 1.3em; margin: 0 8px; font-size: 12px; }
  .mnist-explorer .ticks span { position: absolute; transform: translateX(-50%); white-space: nowrap; }
  .mnist-explorer .accuracy { display: block; font-size: 30px; font-weight: 650; line-height: 1.1; font-variant-numeric: tabular-nums; }
  .mnist-explorer.late .accuracy, .mnist-explorer.late .layer { opacity: 0.4; }
  .mnist-explorer .scale { position: relative; margin: 6px 0 4px; }
  .mnist-explorer .scale div { height: 100%; border-radius: 2px; background: ${LOWERS}; transition: width 0.12s; }
  .mnist-explorer .scale i { position: absolute; top: -3px; bottom: -3px; width: 2px; background: var(--ink); }
  .mnist-explorer button {
    font: inherit; color: inherit; background: transparent; border: 1px solid #888; border-radius: 4px;
    padding: 4px 12px; cursor: pointer;
  }
  .mnist-explorer button:disabled { opacity: 0.5; cursor: default; }
  .mnist-explorer .figures { display: flex; flex-wrap: wrap; gap: 12px 20px; margin: 10px 0 12px; min-height: 160px; }
  .mnist-explorer .figures canvas { display: block; height: 112px; image-rendering: pixelated; border: 1px solid var(--edge); border-radius: 4px; }
  .mnist-explorer figure { margin: 0; max-width: 152px; }
  .mnist-explorer figcaption { font-size: 12px; line-height: 1.25; margin-top: 4px; }
  .mnist-explorer .weights { display: grid; grid-template-columns: fit-content(54px) 92px; gap: 0 6px; font-size: 11px; line-height: 11.2px; height: 112px; align-content: space-between; }
  .mnist-explorer .weights div { position: relative; background: linear-gradient(90deg, transparent calc(50% - 0.5px), var(--edge) 0 calc(50% + 0.5px), transparent 0); }
  .mnist-explorer .weights i { position: absolute; top: 1px; bottom: 1px; border-radius: 1px; }
  .mnist-explorer .digits { display: flex; flex-wrap: wrap; gap: 6px; min-height: 60px; }
  .mnist-explorer .digits canvas { display: block; width: 42px; height: 42px; image-rendering: pixelated; background: white; border: 1px solid var(--edge); border-radius: 4px; }
  .mnist-explorer .digits span { display: block; font-size: 12px; text-align: center; }
  @container (max-width: 520px) {
    .mnist-explorer .mnist-canvas { justify-content: flex-start; }
    .mnist-explorer .mnist-canvas p { min-height: 0; }
    .mnist-explorer .mnist-canvas > div:first-child { width: 100%; }
    .mnist-explorer .mnist-canvas svg:not(.wires) { width: min(100%, 280px); height: auto; aspect-ratio: 1; }
    .mnist-explorer .mnist-canvas .buttons { max-width: none; }
    .mnist-explorer .below > * { padding: 10px; }
    .mnist-explorer figure { max-width: 128px; }
    .mnist-explorer .mnist-canvas output { width: auto; }
  }
  @media (prefers-reduced-motion: reduce) { .mnist-explorer * { transition: none !important; } }
`;

function floats(view) {
  const bytes = view?.byteLength ? view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength) : new ArrayBuffer(0);
  return new Float32Array(bytes);
}

function signed(value) {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
}

function columnsOf(neurons) {
  // As a rectangle without a gap, if there is one that is not much higher than wide.
  const root = Math.floor(Math.sqrt(neurons));
  for (let columns = root; columns >= root / 2; columns--) if (neurons % columns === 0) return columns;
  return root;
}

function nameOfLayer(layer, layers) {
  if (layer === 0) return "the pixels";
  return layer === layers.length - 1 ? "the output" : `hidden layer ${layer}`;
}

// Numbers as a picture: red above 0, blue below, and the more transparent, the nearer they are.
function pictureOf(numbers, columns) {
  const canvas = document.createElement("canvas");
  canvas.width = columns;
  canvas.height = Math.ceil(numbers.length / columns);
  const image = canvas.getContext("2d").createImageData(canvas.width, canvas.height);
  const most = numbers.reduce((most, number) => Math.max(most, Math.abs(number)), 1e-9);
  numbers.forEach((number, i) => {
    const color = number > 0 ? RAISES : LOWERS;
    image.data.set([1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16)), 4 * i);
    image.data[4 * i + 3] = (255 * Math.abs(number)) / most;
  });
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

function inkOf(bytes, gray = 0) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 28;
  const image = canvas.getContext("2d").createImageData(28, 28);
  bytes.forEach((ink, i) => image.data.set([gray, gray, gray, gray ? ink / 2 : ink], 4 * i));
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

function create(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function renderExplorer({ model, el }) {
  const get = (name) => model.get(name);
  function ask(changes) {
    model.set({ ...changes, changes: get("changes") + 1 });
    model.save_changes(); // Jupyter merges what is asked before the last answer has come
  }

  const names = get("names"), layers = get("layers"), epochs = get("epochs");
  const last = layers.length - 1;
  const id = `mnist-${Math.random().toString(36).slice(2)}`;
  el.innerHTML = `
    <style>${EXPLORER_STYLE}</style>
    <div class="mnist-explorer" role="group" aria-label="Network explorer">
      <div class="stage"></div>
      <div class="below">
        <section class="controls" aria-label="Change the network">
          <div>
            <output class="accuracy" aria-live="polite"></output>
            <div class="scale" aria-hidden="true"><div></div><i></i></div>
            <span class="muted comparison"></span>
          </div>
          <div class="training">
            <div class="row"><label for="${id}-epoch">Training</label><span class="value"></span></div>
            <input type="range" id="${id}-epoch" min="0" max="${epochs.length - 1}" step="1">
            <div class="ticks muted" aria-hidden="true"></div>
          </div>
          <div>
            <div class="row"><label for="${id}-noise">Noise on the weights</label><span class="value"></span></div>
            <input type="range" id="${id}-noise" min="0" max="2" step="0.05">
          </div>
          <div class="row">
            <label><input type="checkbox" role="switch" class="biases">Biases</label>
            <span role="radiogroup" aria-label="Activation of the hidden layers">
              <label><input type="radio" name="${id}" value="sigmoid">sigmoid</label>
              <label><input type="radio" name="${id}" value="relu">ReLU</label>
            </span>
          </div>
          <div><button type="button" class="reset">Reset</button></div>
        </section>
        <section class="neuron" aria-label="One neuron">
          <div class="row">
            <div><h4></h4><span class="muted facts"></span></div>
            <button type="button" class="switch"></button>
          </div>
          <div class="figures"></div>
          <p class="strongest"></p>
          <div class="digits"></div>
        </section>
      </div>
    </div>`;
  const root = el.querySelector(".mnist-explorer");
  const find = (selector) => root.querySelector(selector);

  // The canvas, and the layers between the pixels and the answer.

  const stopCanvas = render({
    model,
    el: find(".stage"),
    onStroke: (stroke) => {
      // What is pushed to the stroke later must not change what was sent.
      if (stroke) ask({ stroke: [[...stroke]], example: null });
      else if (get("stroke").length) ask({ stroke: [] });
    },
  });
  const canvas = find(".mnist-canvas");
  const answer = find("output").parentElement;
  const example = create("button", { type: "button" }, "Example digit");
  find(".buttons").append(example);
  example.addEventListener("click", () => {
    const shown = get("example");
    ask({ strokes: [], stroke: [], example: shown === null ? nextExample : (shown + 1) % get("tested") });
    nextExample = (get("example") + 1) % get("tested");
  });
  let nextExample = 0;

  const wires = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  wires.setAttribute("class", "wires");
  wires.setAttribute("aria-hidden", "true");
  canvas.append(wires);

  let pinned = get("neuron"); // what is looked at again when the pointer has left a neuron and its card
  let asked = pinned; // by this browser; if it is another, Python has chosen it
  let leaving = null; // the timer that runs while the pointer may be on its way to the card
  const cells = [[]]; // of each layer; pixels have none
  const switches = [];

  for (let layer = 1; layer <= last; layer++) {
    const isOutput = layer === last;
    const title = nameOfLayer(layer, layers);
    const columns = isOutput ? 1 : columnsOf(layers[layer]);
    const list = create("div", {
      class: "neurons", role: "listbox", "aria-label": isOutput
        ? "Output: a neuron for each class. Arrow keys move from one to the next, Enter keeps one."
        : `${title}, ${layers[layer]} neurons. Arrow keys move from one to the next, Enter keeps one, the space bar switches it off or on.`,
    });
    if (!isOutput) list.style.gridTemplateColumns = `repeat(${columns}, max-content)`;
    const size = layers[layer] <= 144 ? 20 : layers[layer] <= 400 ? 10 : 6;
    list.style.setProperty("--size", `${size}px`);
    if (size < 20 && !isOutput) list.style.gap = "1px";
    cells[layer] = Array.from({ length: layers[layer] }, (_, neuron) => {
      const cell = create("div", { role: "option", tabindex: neuron === 0 ? 0 : -1, class: isOutput ? "class" : "cell" });
      if (isOutput) {
        cell.innerHTML = `<span class="name"></span><div class="bar"><div></div></div><span></span>`;
        cell.firstChild.textContent = cell.firstChild.title = names[neuron];
      }
      list.append(cell);
      return cell;
    });
    const toggle = create("input", { type: "checkbox", role: "switch", "aria-label": `${title} on` });
    toggle.addEventListener("change", () => switchOff(layer, cells[layer].map((_, neuron) => neuron), !toggle.checked));
    switches[layer] = toggle;
    const box = create("div", { class: isOutput ? "layer output" : "layer" });
    if (!isOutput) box.append(create("p", {}, create("span", {}, title), create("label", {}, toggle, "on")));
    box.append(list);
    if (isOutput) answer.append(box);
    else answer.before(box);
    listen(list, layer, columns);
  }

  function listen(list, layer, columns) {
    const numberOf = (event) => cells[layer].indexOf(event.target.closest("[role=option]"));
    list.addEventListener("pointerover", (event) => {
      if (event.pointerType === "mouse" && numberOf(event) >= 0) look([layer, numberOf(event)]);
    });
    list.addEventListener("pointerleave", () => {
      clearTimeout(leaving);
      leaving = setTimeout(() => look(pinned), PASSAGE);
    });
    list.addEventListener("focusin", (event) => {
      moveTabStop(layer, numberOf(event));
      if (event.target.matches(":focus-visible")) look([layer, numberOf(event)]);
    });
    list.addEventListener("click", (event) => { if (numberOf(event) >= 0) pin([layer, numberOf(event)]); });
    list.addEventListener("keydown", (event) => {
      const neuron = numberOf(event), end = layers[layer] - 1;
      const [x, y] = ARROWS[event.key] ?? [0, 0];
      if (ARROWS[event.key]) cells[layer][neuron + x + columns * y]?.focus();
      else if (event.key === "Home") cells[layer][0].focus();
      else if (event.key === "End") cells[layer][end].focus();
      else if (event.key === "Enter") pin([layer, neuron]);
      else if (event.key === " " && layer < last) switchOff(layer, [neuron], !isOff(layer, neuron));
      else if (event.key === "Escape") look(pinned);
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
  }
  function moveTabStop(layer, neuron) {
    cells[layer].forEach((cell, i) => { cell.tabIndex = i === neuron ? 0 : -1; });
  }
  function look(neuron) {
    clearTimeout(leaving);
    asked = neuron;
    if (String(neuron) !== String(get("neuron"))) ask({ neuron });
  }
  function follow() {
    if (String(asked) !== String(get("neuron"))) pinned = asked = get("neuron");
  }
  model.on("change:neuron", follow);
  function pin(neuron) {
    pinned = neuron;
    look(neuron);
    show();
  }
  function isOff(layer, neuron) {
    return layer < last && get("off")[layer - 1].includes(neuron);
  }
  function switchOff(layer, neurons, off) {
    ask({ off: get("off").map((others, i) => {
      if (i !== layer - 1) return others;
      const kept = others.filter((neuron) => !neurons.includes(neuron));
      return off ? [...kept, ...neurons].sort((a, b) => a - b) : kept; // as Python sorts them
    }) });
  }

  function activationsOf(layer) {
    const first = layers.slice(1, layer).reduce((sum, width) => sum + width, 0);
    return floats(get("activations")).subarray(first, first + layers[layer]);
  }

  const shownOf = new Map(); // what each cell shows
  function showActivations() {
    const offOf = get("off").map((neurons) => new Set(neurons));
    const probabilities = get("probabilities");
    const best = probabilities.indexOf(Math.max(...probabilities));
    for (let layer = 1; layer <= last; layer++) {
      const A = activationsOf(layer);
      const brightest = get("brightest")[layer - 1];
      cells[layer].forEach((cell, neuron) => {
        const off = layer < last && offOf[layer - 1].has(neuron);
        const a = A[neuron] ?? 0;
        const looked = get("neuron")[0] === layer && get("neuron")[1] === neuron;
        const selected = pinned[0] === layer && pinned[1] === neuron;
        const lit = Math.round(100 * Math.min(a / brightest, 1));
        const p = probabilities[neuron] ?? 0;
        const label = layer === last ? `${names[neuron]}: ${percent(p)}` : `neuron ${neuron}, ${off ? "off" : `activation ${a.toFixed(2)}`}`;
        const state = [label, looked, selected, layer === last ? [p, neuron === best] : lit].join();
        if (shownOf.get(cell) === state) return; // there may be thousands
        shownOf.set(cell, state);
        cell.setAttribute("aria-label", label);
        cell.classList.toggle("looked", looked);
        cell.classList.toggle("off", off);
        cell.setAttribute("aria-selected", selected);
        if (layer < last) cell.style.setProperty("--lit", `${lit}%`);
        else {
          cell.classList.toggle("best", neuron === best);
          cell.querySelector(".bar div").style.width = `${100 * p}%`;
          cell.lastChild.textContent = p >= 0.005 ? percent(p) : "";
        }
      });
      if (layer < last) {
        const off = get("off")[layer - 1].length;
        switches[layer].checked = off < layers[layer];
        switches[layer].indeterminate = off > 0 && off < layers[layer];
      }
    }
  }

  // The strongest of what arrives at the neuron that is looked at, and of what it passes on.
  function showWires() {
    wires.replaceChildren();
    const detail = get("detail");
    if (!detail.neuron) return;
    const [layer, neuron] = detail.neuron;
    const from = layer > 1 ? activationsOf(layer - 1) : [];
    const own = activationsOf(layer)[neuron] ?? 1;
    const incoming = [...floats(detail.incoming)].map((w, i) => [w * (from[i] ?? 1), cells[layer - 1]?.[i]]);
    const outgoing = [...floats(detail.outgoing)].map((w, i) => [w * own, cells[layer + 1]?.[i]]);
    const box = canvas.getBoundingClientRect();
    const middle = (cell, side) => {
      const { left, right, top, bottom } = cell.getBoundingClientRect();
      const x = side === "left" ? left : (left + right) / 2;
      return [x - box.left, (top + bottom) / 2 - box.top];
    };
    const self = cells[layer][neuron];
    const list = (cell) => cell.parentElement.getBoundingClientRect();
    const beside = (a, b) => list(a).right <= list(b).left && list(a).top < list(b).bottom && list(b).top < list(a).bottom;
    for (const [products, flip] of [[incoming, false], [outgoing, true]]) {
      const strongest = products.filter(([, cell]) => cell).sort(([a], [b]) => Math.abs(b) - Math.abs(a)).slice(0, CONNECTIONS);
      const most = Math.abs(strongest[0]?.[0] ?? 0) || 1;
      for (const [product, cell] of strongest) {
        const share = Math.abs(product) / most;
        if (share < 0.02) continue;
        const [a, b] = flip ? [self, cell] : [cell, self];
        if (!beside(a, b)) continue; // in a narrow page, it would run across what is between them
        const [[x0, y0], [x1, y1]] = [middle(a), middle(b, b.matches(".class") ? "left" : "")];
        const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
        const bend = 2 * Math.abs(x1 - x0) > Math.abs(y1 - y0) ? [(x0 + x1) / 2, y0, (x0 + x1) / 2, y1] : [x0, (y0 + y1) / 2, x1, (y0 + y1) / 2];
        path.setAttribute("d", `M${x0} ${y0}C${bend} ${x1} ${y1}`);
        path.setAttribute("stroke", product > 0 ? RAISES : LOWERS);
        path.setAttribute("stroke-width", 0.8 + 2.2 * share);
        path.setAttribute("stroke-opacity", 0.35 + 0.55 * share);
        wires.append(path);
      }
    }
  }

  // One neuron.

  const card = find(".neuron"), switchButton = find(".switch");
  let inCard = {}; // what the card shows: its button acts on that
  switchButton.addEventListener("click", () => {
    const [layer, neuron] = inCard.detail.neuron;
    switchOff(layer, [neuron], !inCard.off);
  });
  card.addEventListener("pointerenter", () => clearTimeout(leaving));
  card.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") look(pinned); });

  function showNeuron() {
    const detail = get("detail");
    if (!detail.neuron) return;
    const [layer, neuron] = detail.neuron;
    const off = isOff(layer, neuron);
    const a = activationsOf(layer)[neuron];
    const facts = [off ? "off" : a === undefined ? "" : `activation ${a.toFixed(2)}`, `bias ${signed(detail.bias)}`];
    find(".facts").textContent = facts.filter(Boolean).join(" · ");
    const isPinned = String(pinned) === String(detail.neuron);
    if (inCard.detail === detail && inCard.off === off && inCard.isPinned === isPinned) return;
    inCard = { detail, off, isPinned };
    find("h4").textContent = layer === last ? `Output neuron ${names[neuron]}` : `Neuron ${neuron} of ${nameOfLayer(layer, layers)}`;
    switchButton.hidden = layer === last;
    switchButton.textContent = off ? "Switch on" : "Switch off";
    const figures = find(".figures"), digits = find(".digits");
    figures.replaceChildren();
    digits.replaceChildren();
    find(".strongest").textContent = isPinned && !off ? "the test digits that excite it most" : "";
    const incoming = floats(detail.incoming), outgoing = floats(detail.outgoing);
    figures.append(
      layer === 1
        ? figure(pictureOf(incoming, 28), "weights from the pixels: ink on red excites it, ink on blue inhibits it")
        : figure(pictureOf(floats(detail.pixels), 28), "followed back to the pixels, as if the layers between were linear"),
    );
    if (layer > 1) figures.append(weightsFigure(incoming, layer - 1, "from"));
    if (layer < last && !off) figures.append(weightsFigure(outgoing, layer + 1, "to"));
    if (off) digits.append(create("span", {}, "Off: it passes nothing on."));
    else if (!isPinned) digits.append(create("span", { class: "muted" }, "Click it, or press Enter, for the test digits that excite it most."));
    else if (!detail.labels.length) digits.append(create("span", {}, "No test digit excites it at all."));
    else {
      const bytes = detail.digits;
      detail.labels.forEach((label, i) => {
        const ink = inkOf(new Uint8Array(bytes.buffer, bytes.byteOffset + 784 * i, 784));
        ink.setAttribute("role", "img");
        ink.setAttribute("aria-label", `${names[label]}, activation ${detail.excited[i].toFixed(2)}`);
        digits.append(create("div", {}, ink, create("span", { class: "muted", "aria-hidden": "true" }, detail.excited[i].toFixed(2))));
      });
    }
  }

  function figure(picture, caption, label = caption) {
    picture.setAttribute("role", "img");
    picture.setAttribute("aria-label", label);
    return create("figure", {}, picture, create("figcaption", { class: "muted" }, caption));
  }

  function weightsFigure(weights, layer, direction) {
    const caption = `weights ${direction} ${nameOfLayer(layer, layers)}`;
    const nameOf = (i) => (layer === last ? names[i] : `neuron ${i}`);
    const strongest = [...weights.keys()].sort((i, j) => Math.abs(weights[j]) - Math.abs(weights[i])).slice(0, 3);
    const label = `${caption}; the largest: ${strongest.map((i) => `${nameOf(i)} ${signed(weights[i])}`).join(", ")}`;
    if (weights.length > MOST_BARS) return figure(pictureOf(weights, columnsOf(weights.length)), caption, label);
    const bars = create("div", { class: "weights" });
    const most = Math.max(...weights.map(Math.abs)) || 1;
    weights.forEach((weight, i) => {
      const bar = create("i");
      const width = (50 * Math.abs(weight)) / most;
      bar.style.cssText = `width: ${width}%; left: ${weight > 0 ? 50 : 50 - width}%; background: ${weight > 0 ? RAISES : LOWERS}`;
      bars.append(create("span", {}, layer === last ? names[i] : String(i)), create("div", {}, bar));
    });
    return figure(bars, caption, label);
  }

  // An example is on the paper as well, but pale: it is there to be drawn over.
  function showExample() {
    const seen = get("seen");
    const shown = !get("strokes").length && !get("stroke").length && seen?.byteLength;
    const picture = shown && inkOf(new Uint8Array(seen.buffer, seen.byteOffset, 784), 136);
    find("svg").style.backgroundImage = shown ? `url(${picture.toDataURL()})` : "";
  }

  // The controls.

  const [epochRange, noiseRange] = root.querySelectorAll("input[type=range]");
  find(".training").hidden = epochs.length < 2;
  epochs.forEach((epoch, i) => {
    const tick = create("span", {}, String(epoch));
    tick.style.left = `${(100 * i) / Math.max(epochs.length - 1, 1)}%`;
    find(".ticks").append(tick);
  });
  epochRange.addEventListener("input", () => ask({ epoch: epochs[epochRange.value] }));
  noiseRange.addEventListener("input", () => ask({ noise: Number(noiseRange.value) }));
  find(".biases").addEventListener("change", (event) => ask({ biases: event.target.checked }));
  for (const radio of root.querySelectorAll("input[type=radio]")) {
    radio.addEventListener("change", () => ask({ activation: radio.value }));
  }
  find(".reset").addEventListener("click", () => ask({
    off: layers.slice(1, -1).map(() => []), noise: 0, biases: true, epoch: epochs.at(-1), activation: get("own_activation"),
  }));

  function showControls() {
    const at = epochs.indexOf(get("epoch"));
    epochRange.value = at;
    const trained = get("epoch") === 0 ? "untrained" : `after ${get("epoch")} ${get("epoch") === 1 ? "epoch" : "epochs"}`;
    epochRange.setAttribute("aria-valuetext", trained);
    find(".training .value").textContent = trained;
    noiseRange.value = get("noise");
    const noise = `${Math.round(100 * get("noise"))}% of their spread`;
    noiseRange.setAttribute("aria-valuetext", noise);
    noiseRange.parentElement.querySelector(".value").textContent = get("noise") ? noise : "none";
    find(".biases").checked = get("biases");
    for (const radio of root.querySelectorAll("input[type=radio]")) radio.checked = radio.value === get("activation");
    const accuracy = get("accuracy"), untouched = get("untouched");
    find(".accuracy").textContent = `${(100 * accuracy).toFixed(1)}%`;
    find(".scale div").style.width = `${100 * accuracy}%`;
    find(".scale i").style.left = `${100 * untouched}%`;
    find(".comparison").textContent = `of ${get("tested").toLocaleString("en")} test digits read correctly; untouched: ${(100 * untouched).toFixed(1)}%`;
  }

  let late = null;
  function showWaiting() {
    const waiting = get("changes") !== get("changes_read");
    if (!waiting) {
      clearTimeout(late);
      late = null;
      root.classList.remove("late");
    } else late ??= setTimeout(() => root.classList.add("late"), WAIT);
  }

  // Or keys would act on JupyterLab's cells.
  function keepKeys(within) {
    for (const one of within.querySelectorAll("button, input, [role=option]")) one.dataset.lmSuppressShortcuts = "true";
  }
  keepKeys(root);

  let frame = null;
  function show() { // once for all that has changed together
    frame ??= requestAnimationFrame(() => {
      frame = null;
      for (const part of [showActivations, showWires, showNeuron, showExample, showControls, showWaiting]) part();
    });
  }
  const shown = ["seen", "stroke", "activations", "probabilities", "brightest", "neuron", "detail", "off", "noise",
    "biases", "activation", "epoch", "accuracy", "changes", "changes_read"];
  for (const name of shown) model.on(`change:${name}`, show);
  const resized = new ResizeObserver(showWires);
  resized.observe(root);
  show();
  return () => {
    resized.disconnect();
    stopCanvas();
    cancelAnimationFrame(frame);
    for (const timer of [late, leaving]) clearTimeout(timer);
    model.off("change:neuron", follow);
    for (const name of shown) model.off(`change:${name}`, show);
  };
}

export default { render: renderExplorer };
