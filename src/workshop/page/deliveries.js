// The list of deliveries: newest first, kept current while it is seen; a dead one can be sent again.

import { ask } from './api.js';
import { clock, element } from './message.js';

const PAGE = 50;
const WORDS = { pending: 'waiting', 'in-flight': 'being sent', delivered: 'delivered', dead: 'given up', combined: 'sent with another' };
const byId = (id) => document.getElementById(id);
const filter = byId('state');
const older = byId('older');
let wanted = PAGE;
let drawn = '';

/** Asks for the list and shows it, if it has changed. */
export async function refresh() {
  const { rows, next } = await load();
  const text = JSON.stringify([rows, next, filter.value]);
  if (text === drawn) return;
  drawn = text;
  const focused = document.activeElement?.closest?.('tr')?.dataset.id;
  byId('rows').replaceChildren(...rows.map(row));
  older.hidden = next === null;
  byId('no-rows').hidden = rows.length > 0;
  byId('no-rows').textContent = filter.value ? `None is ${WORDS[filter.value]}.` : 'Nothing has been accepted yet.';
  if (focused) byId('rows').querySelector(`tr[data-id="${CSS.escape(focused)}"] button`)?.focus();
}

// As many pages as the user has asked for, from the newest row on.
async function load() {
  const rows = [];
  let next = null;
  do {
    const query = new URLSearchParams({ limit: PAGE });
    if (filter.value) query.set('state', filter.value);
    if (next !== null) query.set('before', next);
    const page = await ask(`workshop/deliveries?${query}`);
    rows.push(...page.deliveries);
    next = page.next ?? null;
  } while (next !== null && rows.length < wanted);
  return { rows, next };
}

function row(delivery) {
  const { id, state, room, headline, accepted_at: accepted, attempts, last_error: error, event_id: event } = delivery;
  const made = element('tr', '');
  made.dataset.id = id;
  const badge = element('span', `badge ${state}`, state);
  badge.title = WORDS[state] ?? '';
  const what = element('td', 'what', headline);
  if (error && state !== 'delivered') what.append(element('p', 'why', error));
  if (event) what.title = event;
  const when = element('time', '', moment(new Date(accepted)));
  when.dateTime = accepted;
  made.append(cell('number', String(id)), cell('', badge), what, cell('room', room), cell('when', when), cell('number tries', String(attempts)));
  made.append(cell('do', state === 'dead' ? again(id, headline) : ''));
  return made;
}

function cell(className, content) {
  const made = element('td', className);
  made.append(content);
  return made;
}

function moment(date) {
  const day = date.toDateString() === new Date().toDateString() ? '' : `${date.toLocaleDateString([], { day: 'numeric', month: 'short' })} `;
  return `${day}${clock(date)}`;
}

function again(id, headline) {
  const button = element('button', 'quiet', 'Send again');
  button.type = 'button';
  button.setAttribute('aria-label', `Send delivery ${id} again: ${headline}`);
  button.addEventListener('click', async () => {
    button.disabled = true;
    try {
      const retried = await ask(`workshop/deliveries/${encodeURIComponent(id)}/retry`, { method: 'POST' });
      const twice = retried.may_repeat ? ' Its last attempt is long ago, so the relay first looks for it in the room.' : '';
      tell(`Delivery ${id} waits to be sent again.${twice}`);
    } catch (error) {
      tell(`Delivery ${id}: ${error.message}`);
    }
    drawn = '';
    await refresh().catch((error) => tell(error.message));
  });
  return button;
}

function tell(text) {
  byId('deliveries-said').textContent = text;
}

filter.addEventListener('change', () => {
  wanted = PAGE;
  refresh().catch((error) => tell(error.message));
});
older.addEventListener('click', () => {
  wanted += PAGE;
  refresh().catch((error) => tell(error.message));
});
