// The room's messages in their list: days, scrolling, sources. What becomes of edits and threads is conversation.js's.

import { Conversation } from './conversation.js';
import { element } from './message.js';

const SAME_BREATH_MS = 5 * 60 * 1000;
const NEAR_BOTTOM_PX = 80;
const byId = (id) => document.getElementById(id);

const list = byId('timeline');
const scroll = byId('scroll');
const jump = byId('jump');
const source = byId('source');
const room = new Conversation({ place, continues, tools });
let last = null;
let atEnd = true;

/** Empties the room, for another run of the program. */
export function reset() {
  room.clear();
  list.replaceChildren();
  last = null;
  byId('empty').hidden = false;
}

/** Takes in an event of the room. */
export function add(sent) {
  const follow = atEnd;
  if (!room.add(sent)) return;
  if (follow) toEnd();
  else jump.hidden = false;
}

/** The message that an event became, if it is here. */
export function messageOf(eventId) {
  return room.known.get(eventId);
}

/** How often each message was edited. */
export function state() {
  return new Map([...room.known].map(([id, { edits }]) => [id, edits]));
}

/** Scrolls to a message and marks it for a moment. */
export function show({ item }) {
  const isCalm = matchMedia('(prefers-reduced-motion: reduce)').matches;
  const isTall = item.offsetHeight > scroll.clientHeight;
  item.scrollIntoView({ block: isTall ? 'start' : 'nearest', behavior: isCalm ? 'auto' : 'smooth' });
  list.querySelector('.shown')?.classList.remove('shown');
  void item.offsetWidth;
  item.classList.add('shown');
}

function place(item, event) {
  byId('empty').hidden = true;
  const day = dayOf(event);
  if (!last || dayOf(last) !== day) list.append(separator(day));
  list.append(item);
  last = event;
}

function continues(event) {
  return last && last.sender === event.sender && dayOf(last) === dayOf(event)
    && event.origin_server_ts - last.origin_server_ts < SAME_BREATH_MS;
}

function tools(message) {
  const { event } = message;
  const button = element('button', 'quiet tool', 'Source');
  button.type = 'button';
  button.setAttribute('aria-label', `Source of the message of ${new Date(event.origin_server_ts).toLocaleTimeString()}`);
  button.addEventListener('click', () => {
    byId('source-text').textContent = JSON.stringify(message.newest, null, 2);
    source.showModal();
  });
  return button;
}

function separator(day) {
  const item = element('li', 'day');
  item.append(element('span', '', day));
  return item;
}

function dayOf(event) {
  const date = new Date(event.origin_server_ts);
  if (date.toDateString() === new Date().toDateString()) return 'Today';
  return date.toLocaleDateString([], { weekday: 'long', day: 'numeric', month: 'long' });
}

function toEnd() {
  scroll.scrollTop = scroll.scrollHeight;
  atEnd = true;
  jump.hidden = true;
}

jump.addEventListener('click', () => {
  toEnd();
  scroll.focus();
});
scroll.addEventListener('scroll', () => {
  atEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < NEAR_BOTTOM_PX;
  if (atEnd) jump.hidden = true;
});
// The samples come later than the messages and take room from them, as a turned phone does.
new ResizeObserver(() => {
  if (atEnd) toEnd();
}).observe(scroll);
byId('source-close').addEventListener('click', () => source.close());
source.addEventListener('click', (event) => {
  if (event.target === source) source.close();
});
