// Completion: what to offer is the page's to say; how it is shown and taken is CodeMirror's.

import { autocompletion, closeCompletion, completionKeymap, completionStatus, startCompletion } from '@codemirror/autocomplete';
import { Prec } from '@codemirror/state';
import { EditorView, keymap } from '@codemirror/view';

// Escape closes the list that is shown. While a list is still looked for, it must also begin the way out of the editor
// (Escape, then Tab): nobody can know that there would have been a list.
const escape = (view) => {
  const isShown = completionStatus(view.state) === 'active';
  closeCompletion(view);
  return isShown;
};
const keys = completionKeymap.map((binding) => (binding.key === 'Escape' ? { ...binding, run: escape } : binding));

/**
 * `offer(before, after)` is given the text from the beginning of the file to the cursor and the rest of its line, and
 * returns `{ length, options }`: how many characters before the cursor are replaced, and what is offered (`label`,
 * `apply`, `detail`, `info`, `type`); or `null`, or a promise of either.
 */
export function completion(offer) {
  const source = async (context) => {
    const { doc } = context.state;
    const line = doc.lineAt(context.pos);
    const found = await offer(doc.sliceString(0, context.pos), doc.sliceString(context.pos, line.to), context.explicit);
    return found && { from: context.pos - found.length, options: found.options.map(taken), validFor: /^[\w[\]".]*$/ };
  };
  return [
    autocompletion({ override: [source], defaultKeymap: false, icons: false, interactionDelay: 0, closeOnBlur: true, activateOnTyping: true, maxRenderedOptions: 60 }),
    Prec.highest(keymap.of(keys)),
  ];
}

// `‸` in the text is where the cursor goes.
function taken(option) {
  const text = option.apply ?? option.label;
  return {
    ...option,
    apply(view, _, from, to) {
      const at = text.indexOf('‸');
      const insert = text.replace('‸', '');
      view.dispatch({
        changes: { from, to, insert },
        selection: { anchor: from + (at < 0 ? insert.length : at) },
        userEvent: 'input.complete',
        effects: EditorView.scrollIntoView(from),
      });
    },
  };
}

export { closeCompletion, startCompletion };
