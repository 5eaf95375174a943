// Tags close themselves: `{{`, `{%` and `{#` bring their end along, and whoever types the end all the same goes over it.
//
// Without it every tag passes through errors about a missing end while it is typed.

import { Prec } from '@codemirror/state';
import { EditorView, keymap } from '@codemirror/view';

const ENDS = { '{': '}}', '%': '%}', '#': '#}' };
const TAG = /\{([{%#])(?:(?![}%#]\})[^\n])*$/;

/** What the tag still needs in which a position stands, on its line; empty where that is no tag or where it has its end. */
export function missingEnd(state, at) {
  const { before, after } = around(state, at);
  const tag = TAG.exec(before);
  if (!tag) return '';
  const end = ENDS[tag[1]];
  const found = after.indexOf(end);
  const next = after.search(/\{[{%#]/);
  return found >= 0 && (next < 0 || found < next) ? '' : end;
}

function around(state, at) {
  const line = state.doc.lineAt(at);
  return { before: line.text.slice(0, at - line.from), after: line.text.slice(at - line.from) };
}

const typed = EditorView.inputHandler.of((view, from, to, text) => {
  if (from !== to || text.length !== 1 || view.composing) return false;
  return closes(view, from, text) || trims(view, from, text) || goesOver(view, from, text);
});

function change(view, changes, anchor) {
  view.dispatch({ changes, selection: { anchor }, userEvent: 'input.type', scrollIntoView: true });
  return true;
}

// The second character of a tag that has just begun: its end follows, with the blanks that belong there.
function closes(view, at, text) {
  const { before, after } = around(view.state, at);
  const end = ENDS[text];
  if (!end || !/(^|[^{])\{$/.test(before) || TAG.test(before)) return false;
  const found = after.indexOf(end);
  if (found >= 0 && !/\{[{%#]/.test(after.slice(0, found))) return false;
  return change(view, { from: at, insert: `${text}  ${end}` }, at + 2);
}

// In a tag that is still empty the blank is there already, and a sign that trims belongs to the braces.
function trims(view, at, text) {
  const begin = beginOfEmptyTag(view.state, at);
  if (!begin) return false;
  if (text === ' ') return true;
  return begin.length === 3 && '-+'.includes(text) && change(view, { from: at - 1, insert: text }, at + 1);
}

function beginOfEmptyTag(state, at) {
  const { before, after } = around(state, at);
  return /^ [}%#]\}/.test(after) ? /\{[{%#][-+]? $/.exec(before)?.[0] : undefined;
}

// Typing the end goes over the one that is there, unless it closes a brace of an expression.
function goesOver(view, at, text) {
  const { before, after } = around(view.state, at);
  const tag = TAG.exec(before);
  if (!tag) return false;
  const end = ENDS[tag[1]];
  const inside = tag[0].slice(2);
  if (text === '}' && after[0] === '}' && !after.startsWith(end) && inside.endsWith(end[0])) return change(view, [], at + 1);
  const blanks = /^\s*/.exec(after)[0].length;
  if (text !== end[0] || !after.slice(blanks).startsWith(end) || inside.split('{').length > inside.split('}').length) return false;
  // One blank before the end is enough.
  const isSpaced = /[\s+-]$/.test(before);
  return change(view, isSpaced && blanks ? { from: at, to: at + blanks } : [], at + 1 + (isSpaced ? 0 : blanks));
}

// An empty tag goes as it came.
function empties(view) {
  const { empty, head } = view.state.selection.main;
  const begin = empty && beginOfEmptyTag(view.state, head);
  if (!begin) return false;
  view.dispatch({ changes: { from: head - begin.length, to: head + 3 }, userEvent: 'delete.backward' });
  return true;
}

export const braces = [typed, Prec.high(keymap.of([{ key: 'Backspace', run: empties }]))];
