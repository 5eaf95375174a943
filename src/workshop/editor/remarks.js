// Errors and warnings on their line: the line tinted, a sign in the gutter, the message behind the text. They move with
// the text until the relay's next answer replaces them.

import { RangeSet, StateEffect, StateField } from '@codemirror/state';
import { Decoration, EditorView, GutterMarker, WidgetType, gutter } from '@codemirror/view';

const setRemarks = StateEffect.define();

class Message extends WidgetType {
  constructor(severity, text) {
    super();
    Object.assign(this, { severity, text });
  }

  eq(other) {
    return other.severity === this.severity && other.text === this.text;
  }

  toDOM() {
    const box = document.createElement('span');
    box.className = `remark remark-${this.severity}`;
    box.textContent = this.text;
    return box;
  }

  ignoreEvent() {
    return false;
  }
}

class Sign extends GutterMarker {
  constructor(severity) {
    super();
    this.severity = severity;
  }

  eq(other) {
    return other.severity === this.severity;
  }

  toDOM() {
    const sign = document.createElement('span');
    sign.className = `sign sign-${this.severity}`;
    sign.textContent = this.severity === 'error' ? '✕' : '!';
    sign.setAttribute('aria-hidden', 'true');
    return sign;
  }
}

const signs = { error: new Sign('error'), warning: new Sign('warning') };
const none = { lines: Decoration.none, signs: RangeSet.empty };

const field = StateField.define({
  create: () => none,
  update(value, transaction) {
    for (const effect of transaction.effects) {
      if (effect.is(setRemarks)) return build(transaction.state.doc, effect.value);
    }
    if (!transaction.docChanged) return value;
    return { lines: value.lines.map(transaction.changes), signs: value.signs.map(transaction.changes) };
  },
  provide: (self) => EditorView.decorations.from(self, (value) => value.lines),
});

// One entry for each line: the worst severity, all messages.
function build(doc, remarks) {
  const byLine = new Map();
  for (const { line, severity, message } of remarks) {
    const number = Math.min(Math.max(line, 1), doc.lines);
    const entry = byLine.get(number) ?? { severity, messages: [] };
    if (severity === 'error') entry.severity = 'error';
    entry.messages.push(message);
    byLine.set(number, entry);
  }
  const decorations = [];
  const markers = [];
  for (const [number, { severity, messages }] of byLine) {
    const line = doc.line(number);
    decorations.push(Decoration.line({ class: `line-${severity}` }).range(line.from));
    decorations.push(Decoration.widget({ widget: new Message(severity, messages.join(' · ')), side: 1 }).range(line.to));
    markers.push(signs[severity].range(line.from));
  }
  return { lines: Decoration.set(decorations, true), signs: RangeSet.of(markers, true) };
}

/** Shows these remarks (`line` from 1, `severity`, `message`) instead of the ones before. */
export function mark(view, remarks) {
  view.dispatch({ effects: setRemarks.of(remarks) });
}

export const remarks = [
  field,
  gutter({
    class: 'signs',
    markers: (view) => view.state.field(field).signs,
    initialSpacer: () => signs.warning,
  }),
];
