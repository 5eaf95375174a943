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
import { grammar } from './grammar.js';
import { mark, remarks } from './remarks.js';
import { theme } from './theme.js';

const fromOutside = Annotation.define();

/** An editor inside `host`; `onEdit` is called with the text after each change that the user makes. */
export function createEditor({ host, onEdit }) {
  const root = host.attachShadow({ mode: 'open' });
  const states = new Map();
  let current = null;
  const view = new EditorView({ root, parent: root });

  const extensions = (file) => [
    lineNumbers(), remarks, highlightActiveLine(), highlightActiveLineGutter(), highlightSpecialChars(),
    history(), drawSelection(), indentUnit.of('  '), EditorView.lineWrapping,
    StreamLanguage.define(grammar), theme,
    // Tab indents; Escape and then Tab leaves, which CodeMirror does by itself.
    keymap.of([...defaultKeymap, ...historyKeymap, indentWithTab]),
    EditorView.contentAttributes.of({
      'aria-label': `Template text of ${file}. Press Escape, then Tab to leave the editor.`,
      spellcheck: 'false', autocapitalize: 'off', autocorrect: 'off',
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
