// Completion: what to offer is the page's to say; how it is shown and taken is CodeMirror's.

import { autocompletion, closeCompletion, completionKeymap, startCompletion } from '@codemirror/autocomplete';
import { EditorView, keymap } from '@codemirror/view';

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
    autocompletion({ override: [source], icons: false, interactionDelay: 0, closeOnBlur: true, activateOnTyping: true, maxRenderedOptions: 60 }),
    keymap.of(completionKeymap),
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
