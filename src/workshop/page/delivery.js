// One delivery opened: its text, its event, its attempts, its members and its group; and what can be done to it.

import { ask } from './api.js';
import { element } from './message.js';

/** The states of a delivery, as people call them. */
export const STATES = { pending: 'waiting', 'in-flight': 'being sent', delivered: 'delivered', dead: 'given up', combined: 'in a digest' };

/**
 * The details, which fill themselves. `say` is given what came of a button, `again` is called after it, `show` with a delivery that is
 * to be seen.
 */
export function details(delivery, { say, again, show }) {
  const box = element('div', 'details', 'Loading…');
  ask(`workshop/deliveries/${encodeURIComponent(delivery.name)}`)
    .then((found) => fill(box, found, { say, again, show }))
    .catch((error) => { box.textContent = error.message; });
  return box;
}

function fill(box, found, { say, again, show }) {
  const { row } = found;
  const text = element('pre', 'delivery-text', found.body);
  text.tabIndex = 0;
  text.setAttribute('role', 'region');
  text.setAttribute('aria-label', `Text of delivery ${row.name}`);
  const facts = element('dl', 'facts');
  const fact = (name, value) => {
    if (!value) return;
    const told = element('dd', '');
    told.append(value);
    facts.append(element('dt', '', name), told);
  };
  fact('Event', row.event_id && link(row.room, row.event_id, row.event_id));
  fact('Refers to', found.refers_to && link(row.room, found.refers_to, found.refers_to));
  fact('Room', row.room_name ? `${row.room_name} (${row.room})` : row.room);
  fact('Attempts', attempts(found));
  fact('Failed', failed(found.failures));
  if (found.failures.at(-1)?.error !== row.last_error) fact('Last error', row.last_error);
  fact('Accepted', time(row.accepted_at));
  fact('Alerts began', time(found.starts_at));
  fact(row.state === 'dead' ? 'Given up' : 'Delivered', time(found.finished_at));
  fact('Notifies', found.msgtype === 'm.notice' ? 'no, it is a notice' : 'yes, by the default push rules');
  fact('Transaction', found.transaction);
  const sentAs = row.combined_into && others('Sent as', [{ name: String(row.combined_into), state: '', headline: 'the message that is sent in its place' }], show, say);
  box.replaceChildren(
    text, facts, sentAs ?? '',
    others(`In this digest (${found.members.length})`, found.members, show, say),
    others('The same alert group', found.group, show, say),
    buttons(row, say, again),
  );
}

function attempts({ row, failures, first_attempt_at: first, last_attempt_at: last }) {
  if (!row.attempts) return 'none yet';
  if (failures.length) return `${row.attempts}, the last ${time(last)}`;
  return last && last !== first ? `${row.attempts}, the first ${time(first)}, the last ${time(last)}` : `${row.attempts}, ${time(last)}`;
}

// The first attempts and the last ones are known; how many lie between, their numbers say.
function failed(failures) {
  if (!failures.length) return null;
  const list = element('ol', 'failures');
  let before = 0;
  for (const { attempt, at, error } of failures) {
    const between = attempt - before - 1;
    if (before && between > 0) list.append(element('li', 'between', `${between} more in between`));
    const item = element('li', '');
    const when = element('time', '', time(at));
    when.dateTime = at;
    item.append(element('span', 'nth', `Attempt ${attempt}`), when, element('span', 'why', error));
    list.append(item);
    before = attempt;
  }
  return list;
}

function time(text) {
  return text && new Date(text).toLocaleString([], { dateStyle: 'medium', timeStyle: 'medium' });
}

// Opens in whatever client the user has. The server of the room's ID is where it can be asked for.
function link(room, event, title) {
  const made = element('a', '', title);
  const via = room.includes(':') ? `?via=${encodeURIComponent(room.slice(room.indexOf(':') + 1))}` : '';
  made.href = `https://matrix.to/#/${encodeURIComponent(room)}/${encodeURIComponent(event)}${via}`;
  made.rel = 'noreferrer';
  made.target = '_blank';
  return made;
}

function others(title, rows, show, say) {
  if (!rows.length) return '';
  const list = element('ul', 'others');
  for (const one of rows) {
    const item = element('li', '');
    const button = element('button', 'open', `${one.name} · ${[STATES[one.state], one.headline].filter(Boolean).join(' · ')}`);
    button.type = 'button';
    button.addEventListener('click', () => {
      if (!show(one)) say(`Delivery ${one.name} is not on this page of the list: ask for older ones, or for all states.`);
    });
    item.append(button);
    list.append(item);
  }
  const box = element('div', '');
  box.append(element('h3', '', title), list);
  return box;
}

const ACTS = {
  dead: ['retry', 'Send again', (answer, name) => `Delivery ${name} waits to be sent again.${answer.may_repeat ? ' Its last attempt is long ago, so the relay first looks for it in the room.' : ''}`],
  pending: ['give-up', 'Give up', (answer, name) => (answer.state ? `Delivery ${name} is given up; it can be sent again.` : `${name} is given up; the next change of its group brings the message up to date.`)],
};

// Why neither can be done.
const DONE = {
  delivered: 'It is delivered: there is nothing to send again and nothing to give up.',
  'in-flight': 'It is being sent now. If that fails, it waits and can be given up.',
  combined: 'Its text is in a digest. That one can be sent again or given up.',
};

function buttons(row, say, again) {
  if (!ACTS[row.state]) return element('p', 'do hint', DONE[row.state] ?? '');
  const [path, title, told] = ACTS[row.state];
  const box = element('p', 'do');
  const button = element('button', 'quiet', title);
  button.type = 'button';
  button.setAttribute('aria-label', `${title}: delivery ${row.name}, ${row.headline}`);
  button.addEventListener('click', async () => {
    // What is given up does not reach its room: a second press confirms.
    if (row.state === 'pending' && button.textContent === title) {
      button.textContent = 'Press again to give it up';
      return;
    }
    button.disabled = true;
    try {
      say(told(await ask(`workshop/deliveries/${encodeURIComponent(row.name)}/${path}`, { method: 'POST' }), row.name));
    } catch (error) {
      say(`Delivery ${row.name}: ${error.message}`);
    }
    again();
  });
  box.append(button);
  return box;
}
