// Completion: what to offer is the page's to say; how it is shown and taken is CodeMirror's.

import { autocompletion, closeCompletion, completionKeymap, completionStatus, startCompletion } from '@codemirror/autocomplete';
import { Prec } from '@codemirror/state';
import { EditorView, keymap } from '@codemirror/view';
import { missingEnd } from './braces.js';

// On a narrow screen there is no room for a box beside the list, and it would lie on what is to be chosen: what it says stands in
// the list there.
const NARROW = matchMedia('(max-width: 900px)');

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
    autocompletion({
      override: [source], defaultKeymap: false, icons: false, interactionDelay: 0, closeOnBlur: true, activateOnTyping: true, maxRenderedOptions: 60,
      addToOptions: [{ render: help, position: 90 }],
    }),
    Prec.highest(keymap.of(keys)),
  ];
}

function help({ help: text }) {
  if (!text || !NARROW.matches) return null;
  const made = document.createElement('span');
  made.className = 'help';
  made.textContent = text;
  return made;
}

// `‸` in the text is where the cursor goes. A tag that has no end yet gets it.
function taken({ info, ...option }) {
  const text = option.apply ?? option.label;
  return {
    ...option,
    help: info?.split('\n')[0],
    info: NARROW.matches ? undefined : info,
    apply(view, _, from, to) {
      const at = text.indexOf('‸');
      const end = missingEnd(view.state, to);
      const insert = text.replace('‸', '');
      view.dispatch({
        changes: { from, to, insert: end ? `${insert} ${end}` : insert },
        selection: { anchor: from + (at < 0 ? insert.length : at) },
        userEvent: 'input.complete',
        effects: EditorView.scrollIntoView(from),
      });
    },
  };
}

export { closeCompletion, startCompletion };
