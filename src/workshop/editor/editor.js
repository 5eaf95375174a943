// The workshop's editor: CodeMirror 6 with line numbers, the template's colours and the relay's remarks on their lines.
//
// It lives in a shadow root, because there CodeMirror adopts constructed style sheets; in the document it would write
// <style> elements, which the page's Content-Security-Policy refuses.

import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands';
import { StreamLanguage, indentUnit } from '@codemirror/language';
import { Annotation, EditorState, Transaction } from '@codemirror/state';
import {
  EditorView, drawSelection, highlightActiveLine, highlightActiveLineGutter, highlightSpecialChars, keymap, lineNumbers,
} from '@codemirror/view';
import { braces } from './braces.js';
import { completion, startCompletion } from './complete.js';
import { grammar } from './grammar.js';
import { mark, remarks } from './remarks.js';
import { theme } from './theme.js';

const fromOutside = Annotation.define();

/**
 * An editor inside `host`; `onEdit` is called with the text after each change that the user makes, `offer` for what could
 * stand at the cursor, `onSave` when Ctrl+S is pressed.
 */
export function createEditor({ host, onEdit, offer, onSave }) {
  const root = host.attachShadow({ mode: 'open' });
  const states = new Map();
  let current = null;
  // Until the first file is there, it has a name all the same.
  const named = EditorView.contentAttributes.of({ 'aria-label': 'Template text', tabindex: '0' });
  const view = new EditorView({ root, parent: root, extensions: [named] });

  const extensions = (file) => [
    lineNumbers(), remarks, highlightActiveLine(), highlightActiveLineGutter(), highlightSpecialChars(),
    history(), drawSelection(), indentUnit.of('  '), EditorView.lineWrapping,
    StreamLanguage.define(grammar), theme, braces, completion(offer),
    // Tab indents; Escape and then Tab leaves, which CodeMirror does by itself.
    keymap.of([{ key: 'Mod-s', preventDefault: true, run: () => { onSave(); return true; } }, ...defaultKeymap, ...historyKeymap, indentWithTab]),
    EditorView.contentAttributes.of({
      'aria-label': `Template text of ${file}. Press Escape, then Tab to leave the editor.`,
      tabindex: '0', spellcheck: 'false', autocapitalize: 'off', autocorrect: 'off',
    }),
    EditorView.updateListener.of((update) => {
      const own = update.transactions.some((one) => one.docChanged && !one.annotation(fromOutside));
      if (own) onEdit(update.state.doc.toString());
    }),
  ];

  return {
    /** Shows a file; each file keeps its own cursor and its own steps to undo. */
    open(file, text) {
      if (current !== null) states.set(current, view.state);
      current = file;
      view.setState(states.get(file) ?? EditorState.create({ doc: text, extensions: extensions(file) }));
      this.replace(text);
    },
    /** Brings the text to this one by the smallest change, so that the cursor stays where it was meant. */
    replace(text) {
      const change = difference(view.state.doc.toString(), text);
      if (change) view.dispatch({ changes: change, annotations: [fromOutside.of(true), Transaction.userEvent.of('input.file')] });
    },
    /** Takes a whole text as an edit of the user's. */
    take(text) {
      const change = difference(view.state.doc.toString(), text);
      if (change) view.dispatch({ changes: change, userEvent: 'input' });
      view.focus();
    },
    mark(list) {
      mark(view, list);
    },
    /** Puts the cursor at a line and the focus into the editor. */
    goTo(line) {
      const { doc } = view.state;
      const anchor = doc.line(Math.min(Math.max(line, 1), doc.lines)).from;
      view.dispatch({ selection: { anchor }, effects: EditorView.scrollIntoView(anchor, { y: 'center' }) });
      view.focus();
    },
    focus() {
      view.focus();
    },
    /** Puts a text in the place of what is selected, as if it were typed; `‸` in it is where the cursor goes. */
    insert(text) {
      const { from, to } = view.state.selection.main;
      const at = text.indexOf('‸');
      const plain = text.replace('‸', '');
      view.dispatch({
        changes: { from, to, insert: plain },
        selection: { anchor: from + (at < 0 ? plain.length : at) },
        scrollIntoView: true,
        userEvent: 'input',
      });
      view.focus();
    },
    /** Offers what could stand at the cursor. */
    complete() {
      view.focus();
      startCompletion(view);
    },
    /** The text up to the cursor. */
    get before() {
      return view.state.sliceDoc(0, view.state.selection.main.from);
    },
    get text() {
      return view.state.doc.toString();
    },
  };
}

function difference(old, now) {
  if (old === now) return null;
  const shorter = Math.min(old.length, now.length);
  let start = 0;
  while (start < shorter && old[start] === now[start]) start += 1;
  let end = 0;
  while (end < shorter - start && old[old.length - 1 - end] === now[now.length - 1 - end]) end += 1;
  return { from: start, to: old.length - end, insert: now.slice(start, now.length - end) };
}
