// A sequence of one's own: notifications that are looked at are added to it, one after the other. The mode of the room
// belongs to every sequence.

const byId = (id) => document.getElementById(id);
/** The relay plays no longer ones. */
export const MOST = 10;

/** Names of samples and numbers of received notifications, in order. */
export const own = [];

/** The steps as the title of the choice. */
export function ownTitle() {
  return `mine: ${own.map((step) => (typeof step === 'number' ? `received ${step}` : step)).join(', ')}`;
}

/** `current` tells the step that is looked at, or `null`; `changed` is called when the sequence or the mode has changed. */
export function wire({ current, changed }) {
  byId('add').addEventListener('click', () => {
    own.push(current());
    changed();
  });
  byId('clear').addEventListener('click', () => {
    own.length = 0;
    changed();
  });
  byId('mode').addEventListener('change', changed);
}

/** Shows what can be done with the notification that is chosen. */
export function suit(isSequence, current) {
  byId('mode-label').hidden = !isSequence;
  byId('add').hidden = isSequence;
  byId('add').disabled = current === null || own.length >= MOST;
  byId('clear').hidden = own.length === 0;
  const said = own.length ? `${own.length} in your sequence` : '';
  if (byId('own').textContent !== said) byId('own').textContent = said;
}

/** The mode that is chosen. */
export function mode() {
  return byId('mode').value;
}
