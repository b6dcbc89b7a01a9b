// What DigitCanvas shows in the notebook: paper, two buttons, the pixels that the network sees, its
// answer, and a way to keep the drawing with its true label. This file only draws and displays:
// strokes go to Python, and the results come back in `seen`, `probabilities` and `message`.

const BRUSH = 1 / 14; // relative to the side of the paper, as in canvas.py
const NOTHING = "Nothing drawn yet"; // as in canvas.py
const LEAST_STEP = 1 / 280; // one pixel: a fast mouse sends many points in each
const KEY_STEP = 1 / 40;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const THEME = `
    --ink: var(--vscode-foreground, var(--jp-ui-font-color1, var(--colab-primary-text-color, CanvasText)));
    --paper: var(--vscode-editor-background, var(--jp-layout-color1, var(--colab-primary-surface-color, Canvas)));
`;
const STYLE = `
  .mnist-canvas {${THEME}
    display: flex; flex-wrap: wrap; gap: 24px; align-items: flex-start; width: max-content;
    max-width: 100%; padding: 8px; box-sizing: border-box;
    color: var(--ink); background: var(--paper); font: 14px system-ui, sans-serif;
  }
  .mnist-canvas svg, .mnist-canvas canvas { display: block; border: 1px solid #888; border-radius: 4px; }
  .mnist-canvas svg { width: 280px; height: 280px; touch-action: none; cursor: crosshair; }
  .mnist-canvas canvas { width: 140px; height: 140px; image-rendering: pixelated; background: white; }
  .mnist-canvas polyline {
    fill: none; stroke: currentColor; stroke-linecap: round; stroke-linejoin: round;
    stroke-width: ${BRUSH};
  }
  .mnist-canvas circle { fill: #0072b2; visibility: hidden; }
  .mnist-canvas svg:focus-visible circle { visibility: visible; }
  .mnist-canvas svg:focus { outline: none; }
  .mnist-canvas :focus-visible, .mnist-canvas svg:focus-visible { outline: 2px solid #0072b2; outline-offset: 2px; }
  .mnist-canvas p { margin: 0 0 8px; }
  .mnist-canvas .buttons { display: flex; gap: 8px; margin-top: 8px; }
  .mnist-canvas form { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; margin: 16px 0 0; }
  .mnist-canvas select { font: inherit; color: inherit; background: var(--paper); padding: 3px; max-width: 12em; }
  .mnist-canvas form label { display: flex; gap: 8px; align-items: center; }
  .mnist-canvas [role="status"] { min-height: 1.3em; font-size: 13px; }
  .mnist-canvas button {
    font: inherit; color: inherit; background: transparent; border: 1px solid #888;
    border-radius: 4px; padding: 4px 14px; cursor: pointer;
  }
  .mnist-canvas button:disabled { opacity: 0.5; cursor: default; }
  .mnist-canvas output { display: block; max-width: 250px; min-height: 2.6em; margin-bottom: 8px; font-weight: 600; }
  .mnist-canvas .bars {
    display: grid; grid-template-columns: max-content 160px 5ch; gap: 5px 8px; align-items: center;
    font-variant-numeric: tabular-nums;
  }
  .mnist-canvas .bar { height: 16px; background: color-mix(in srgb, currentColor 12%, transparent); }
  .mnist-canvas .bar div { height: 100%; width: 0; background: #888; }
  .mnist-canvas .bar .best { background: #0072b2; }
`;

function percent(probability) {
  return `${(100 * probability).toFixed(probability < 0.995 ? 0 : 1)}%`;
}

// `onStroke` is told of the stroke that is being drawn, and null when there is none.
function render({ model, el, onStroke = () => {} }) {
  el.innerHTML = `
    <style>${STYLE}</style>
    <div class="mnist-canvas" role="group" aria-label="Digit canvas">
      <div>
        <p>draw a digit</p>
        <svg viewBox="0 0 1 1" tabindex="0" role="application" aria-label="Paper. Draw a digit with
          a mouse, finger or pen, or with the keyboard: the arrow keys move the pen, and the space
          bar puts it down or lifts it."><g></g><circle r="0.02"></circle></svg>
        <div class="buttons">
          <button type="button" title="Ctrl+Z on the paper">Undo</button>
          <button type="button" title="Escape on the paper">Clear</button>
        </div>
      </div>
      <div>
        <p>what the network sees</p>
        <canvas width="28" height="28" role="img" aria-label="The drawing as the network sees
          it, in 28 by 28 pixels"></canvas>
      </div>
      <div>
        <output aria-live="polite"></output>
        <div class="bars" role="img"></div>
        <form>
          <label><select><option value="">…</option></select></label>
          <button type="submit" title="Keep the drawing with its true label, as canvas.kept">Keep</button>
          <span role="status"></span>
        </form>
      </div>
    </div>`;
  const [paper, lines, cursor, canvas, answer, bars, form, label, status] = [
    "svg", "g", "circle", "canvas", "output", ".bars", "form", "select", "[role=status]",
  ].map((selector) => el.querySelector(selector));
  const [undoButton, clearButton, keepButton] = el.querySelectorAll("button");
  const names = model.get("names");
  label.before("That was");
  label.append(...names.map((name, i) => new Option(name, i)));
  for (const focusable of [paper, undoButton, clearButton, label, keepButton]) {
    focusable.dataset.lmSuppressShortcuts = "true"; // or typing "a" would insert a cell in JupyterLab
  }
  let stroke = null; // the one being drawn
  let pen = [0.5, 0.5]; // where the keyboard draws
  let late = null; // the timer that runs while an answer is pending
  let keeping = null; // what was sent to be kept, until Python has answered
  bars.innerHTML = names.map(() => '<span class="name"></span><div class="bar"><div></div></div><span></span>').join("");
  bars.querySelectorAll(".name").forEach((span, i) => { span.textContent = names[i]; });

  function setStrokes(strokes) {
    stroke = null;
    model.set({ strokes, changes: model.get("changes") + 1 });
    model.save_changes();
  }
  function undo() {
    if (model.get("strokes").length) setStrokes(model.get("strokes").slice(0, -1));
  }
  function clear() {
    if (model.get("strokes").length) setStrokes([]);
  }

  function keep(event) {
    event.preventDefault();
    if (keepButton.disabled) return;
    // All of them go to Python: messages may be joined on the way while the kernel is busy.
    model.set({ drawings: [...model.get("drawings"), [Number(label.value), model.get("strokes")]] });
    keeping = { name: label.selectedOptions[0].text, count: model.get("drawings").length };
    status.textContent = "keeping …";
    label.value = "";
    setStrokes([]);
    paper.focus();
  }

  function showKept() {
    if (!keeping || model.get("changes") !== model.get("changes_read")) return;
    const { name, count } = keeping;
    keeping = null;
    status.textContent = model.get("drawings").length < count ? "not kept" : `kept as ${name}, ${count} in all`;
  }

  function showKeeping() {
    keepButton.disabled = label.value === "" || model.get("strokes").length === 0;
  }

  function finish() {
    if (stroke) setStrokes([...model.get("strokes"), stroke]);
  }

  function showStrokes() {
    const strokes = model.get("strokes");
    lines.replaceChildren(
      ...[...strokes, ...(stroke ? [stroke] : [])].map((points) => {
        const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
        // A dot is drawn as a line from its point to itself.
        line.setAttribute("points", [points[0], ...points].join(" "));
        return line;
      }),
    );
    cursor.setAttribute("cx", pen[0]);
    cursor.setAttribute("cy", pen[1]);
    undoButton.disabled = clearButton.disabled = strokes.length === 0;
    showKeeping();
    onStroke(stroke);
  }

  function showSeen() {
    const seen = model.get("seen");
    const context = canvas.getContext("2d");
    const image = context.createImageData(28, 28); // black, transparent where there is no ink
    for (let i = 0; i < seen.byteLength; i++) image.data[4 * i + 3] = seen.getUint8(i);
    context.putImageData(image, 0, 0);
  }

  function showMessage() {
    // Cells may keep the kernel busy for a long time: say so while an answer is pending.
    const waiting = model.get("changes") !== model.get("changes_read");
    const example = model.get("example") ?? null; // which only NetworkExplorer has
    const empty = model.get("strokes").length === 0 && !stroke && example === null;
    const message = waiting && empty ? NOTHING : model.get("message");
    answer.textContent = !empty && (waiting || message === NOTHING) ? "Reading …" : message;
  }

  function showAnswer() {
    const probabilities = model.get("probabilities");
    const best = probabilities.indexOf(Math.max(...probabilities));
    // An answer usually takes the blink of an eye: until then, the last one stays.
    if (model.get("changes") === model.get("changes_read") || model.get("message") === NOTHING) showMessage();
    else late ??= setTimeout(() => { late = null; showMessage(); }, 300);
    bars.setAttribute(
      "aria-label",
      ["Probabilities:", ...probabilities.map((p, i) => `${names[i]}: ${percent(p)}`)].join(" "),
    );
    bars.querySelectorAll(".bar").forEach((bar, i) => {
      const p = probabilities[i] ?? 0;
      bar.firstChild.className = i === best ? "best" : "";
      bar.firstChild.style.width = `${100 * p}%`;
      bar.nextSibling.textContent = p >= 0.005 ? percent(p) : "";
    });
  }

  function positionOf(event) {
    const box = paper.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height].map(
      (value) => Math.round(1e4 * Math.min(Math.max(value, 0), 1)) / 1e4,
    );
  }

  paper.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || stroke) return;
    paper.setPointerCapture(event.pointerId); // a stroke continues outside the paper
    stroke = [positionOf(event)];
    showStrokes();
    showAnswer();
  });
  paper.addEventListener("pointermove", (event) => {
    if (!stroke || !paper.hasPointerCapture(event.pointerId)) return;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const [x, y] of (events.length ? events : [event]).map(positionOf)) {
      const [lastX, lastY] = stroke.at(-1);
      if (Math.hypot(x - lastX, y - lastY) >= LEAST_STEP) stroke.push([x, y]);
    }
    showStrokes();
  });
  paper.addEventListener("pointerup", finish);
  paper.addEventListener("pointercancel", finish);
  paper.addEventListener("blur", finish);
  paper.addEventListener("keydown", (event) => {
    const arrow = ARROWS[event.key];
    if (arrow) {
      pen = pen.map((value, i) => Math.min(Math.max(value + arrow[i] * KEY_STEP, 0), 1));
      if (stroke) stroke.push(pen);
      showStrokes();
    } else if (event.key === " ") {
      if (stroke) finish();
      else stroke = [pen];
      showStrokes();
      showAnswer();
    } else if (event.key === "Escape") clear();
    else if (event.key === "z" && (event.ctrlKey || event.metaKey)) undo();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  undoButton.addEventListener("click", undo);
  clearButton.addEventListener("click", clear);
  label.addEventListener("change", showKeeping);
  form.addEventListener("submit", keep);

  const handlers = { strokes: showStrokes, seen: showSeen, probabilities: showAnswer, message: showAnswer,
    changes: showAnswer, changes_read: () => { showAnswer(); showKept(); } };
  for (const [name, handler] of Object.entries(handlers)) {
    model.on(`change:${name}`, handler);
    handler();
  }
  return () => {
    clearTimeout(late);
    for (const [name, handler] of Object.entries(handlers)) model.off(`change:${name}`, handler);
  };
}

export default { render };
