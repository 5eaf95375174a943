// The difference of two texts, line by line: what the draft has taken out and put in.

import { dialog } from './dialogs.js';
import { element } from './message.js';

const byId = (id) => document.getElementById(id);
// A table of more cells is not made; then all lines count as changed.
const MOST_CELLS = 4_000_000;

/** The lines as `[sign, line]`: `-` only in `old`, `+` only in `now`, a blank in both. */
export function lines(old, now) {
  const [a, b] = [old.split('\n'), now.split('\n')];
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a.at(-1 - end) === b.at(-1 - end)) end += 1;
  const same = (from, to) => a.slice(from, to).map((line) => [' ', line]);
  const middle = changed(a.slice(start, a.length - end), b.slice(start, b.length - end));
  return [...same(0, start), ...middle, ...same(a.length - end, a.length)];
}

// By the longest common sequence of lines.
function changed(a, b) {
  if (a.length * b.length > MOST_CELLS) return [...a.map((line) => ['-', line]), ...b.map((line) => ['+', line])];
  const width = b.length + 1;
  const longest = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      longest[i * width + j] = a[i] === b[j]
        ? longest[(i + 1) * width + j + 1] + 1
        : Math.max(longest[(i + 1) * width + j], longest[i * width + j + 1]);
    }
  }
  const made = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      made.push([' ', a[i]]);
      i += 1;
      j += 1;
    } else if (j >= b.length || (i < a.length && longest[(i + 1) * width + j] >= longest[i * width + j + 1])) {
      made.push(['-', a[i]]);
      i += 1;
    } else {
      made.push(['+', b[j]]);
      j += 1;
    }
  }
  return made;
}

const lineCount = (number) => `${number} line${number === 1 ? '' : 's'}`;

/**
 * The dialog; `texts` tells the draft and what it can be compared with: `{ now, builtin, disk }`, `null` where there is none. `take` is
 * called with the built-in text when the draft is to begin anew from it.
 */
export function wire(texts, take) {
  const draw = () => {
    const all = texts();
    const against = document.querySelector('input[name="against"]:checked').value;
    const found = lines(all[against] ?? '', all.now);
    const count = (sign) => found.filter(([one]) => one === sign).length;
    const [out, put] = [count('-'), count('+')];
    byId('compare-said').textContent = out + put ? `${lineCount(put)} added, ${lineCount(out)} removed.` : 'They are the same.';
    byId('take-builtin').disabled = all.builtin === null || all.builtin === all.now;
    const words = { '-': 'del', '+': 'ins', ' ': 'span' };
    byId('diff').replaceChildren(...found.map(([sign, line]) => element(words[sign], 'line', `${sign} ${line}`)));
  };
  const box = dialog('compare', () => {
    const all = texts();
    for (const name of ['builtin', 'disk']) {
      const input = document.querySelector(`input[name="against"][value="${name}"]`);
      input.disabled = all[name] === null;
      input.checked = !input.disabled && (name === 'builtin' || all.builtin === null);
    }
    draw();
  });
  byId('against').addEventListener('change', draw);
  byId('take-builtin').addEventListener('click', () => {
    box.close();
    take(texts().builtin);
  });
}
