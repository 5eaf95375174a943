// What the relay would send: the messages in their frames, a sequence as a client puts it together up to a chosen step, the lock screen, the source, and the bytes that they take.

import { drawBudget } from './budget.js';
import { Conversation } from './conversation.js';
import { element, messageItem } from './message.js';
import { prose } from './prose.js';

const byId = (id) => document.getElementById(id);
const SENDER = '@grafana:example.org';
const CAPTIONS = {
  'wide light': 'Wide, light', 'wide dark': 'Wide, dark', 'phone light': 'Phone, light', 'phone dark': 'Phone, dark',
};
let shown = null;
// After which notification the address wants the next sequence to be seen.
let wantedStep = null;

/**
 * Shows an answer of `/preview`, and the notification that it is about. `note` says on it that it is not the draft, and which template
 * is better, which `turn` opens.
 */
export function show(answer, payload, note, turn) {
  shown = { ...answer, payload };
  byId('result').setAttribute('aria-busy', 'false');
  stale(note, turn);
  chooseSteps();
  frames();
  push();
  drawBudget(shown, isSequence());
  notes();
  source();
}

/** Shows the notification's own text when that is what is looked at. */
export function setPayload(payload) {
  if (!shown) return;
  shown.payload = payload;
  source();
}

/** Draws the frames that are chosen: light, dark or both, in a room's width, a phone's or both. */
export function frames() {
  if (!shown) return;
  const widths = choice('width') === 'both' ? ['wide', 'phone'] : [choice('width')];
  const schemes = choice('scheme') === 'both' ? ['light', 'dark'] : [choice('scheme')];
  if (!shown.messages.length) byId('frames').replaceChildren();
  else byId('frames').replaceChildren(...widths.flatMap((width) => schemes.map((scheme) => frame(width, scheme))));
}

function stale(note, turn) {
  const [box, text] = [byId('stale-text'), note?.text ?? ''];
  // Only a change of the words is read out.
  if (box.dataset.text !== text) box.replaceChildren(...prose(text));
  box.dataset.text = text;
  byId('stale-turn').hidden = !note?.template;
  byId('stale-turn').replaceChildren(...prose(`Show it with \`${note?.template}\``));
  byId('stale-turn').onclick = () => turn(note.template);
  byId('stale').hidden = !text;
  byId('frames').dataset.stale = Boolean(text);
  for (const part of ['budget', 'beside']) byId(part).hidden = !shown.messages.length;
}

// What a room has that is not to be seen here, and what was written by another template.
function notes() {
  const isLine = ({ event }) => event?.['m.relates_to']?.rel_type === 'm.thread';
  const rings = shown.messages.some(({ msgtype }) => msgtype !== 'm.notice');
  byId('mentions-note').hidden = !rings || !byId('mentions-note').textContent;
  byId('lines-note').hidden = !isSequence() || !shown.messages.some(isLine);
}

/** Says which routes mention people, which they do in the room only. */
export function tellMentions(routes) {
  const names = routes.filter((route) => route.mentions).map(({ name }) => `\`${name}\``);
  const which = names.length > 1 ? `The routes ${names.join(', ')} mention` : `The route ${names[0]} mentions`;
  const text = names.length ? `${which} people in the room when an alert starts to fire. That is added to the message and not shown here.` : '';
  if (byId('mentions-note').dataset.text === text) return;
  byId('mentions-note').dataset.text = text;
  byId('mentions-note').replaceChildren(...prose(text));
  if (shown) notes();
}

function choice(name) {
  return document.querySelector(`input[name="${name}"]:checked`)?.value ?? 'both';
}

function frame(width, scheme) {
  const figure = element('figure', `frame ${width} ${scheme}`);
  const list = element('ol', 'timeline');
  if (isSequence()) converse(list);
  else {
    const now = Date.now();
    shown.messages.forEach((message, index) => {
      const event = { sender: SENDER, origin_server_ts: now, content: content(message) };
      list.append(messageItem(event, 'Grafana', index > 0));
    });
  }
  // What is shown is to be looked at: on the way through the page by keyboard it is no stop.
  for (const link of list.querySelectorAll('a, [tabindex], summary')) link.tabIndex = -1;
  figure.append(list, element('figcaption', '', CAPTIONS[`${width} ${scheme}`]));
  return figure;
}

function isSequence() {
  return Boolean(shown.messages[0]?.place);
}

function converse(list) {
  let any = false;
  const place = (item) => { list.append(item); any = true; };
  const room = new Conversation({ place, continues: () => any });
  const last = Number(choice('steps'));
  for (const { event: made, place: { step, at, event_id: id } } of shown.messages) {
    const type = made['m.relates_to']?.rel_type === 'm.annotation' ? 'm.reaction' : 'm.room.message';
    const event = { type, event_id: id, sender: SENDER, origin_server_ts: Date.parse(at), content: made };
    if (step <= last) room.add({ event, name: 'Grafana' });
  }
  // Only what comes while somebody looks on is worth a flash.
  for (const item of list.querySelectorAll('.changed')) item.classList.remove('changed');
}

// After which notification the room is looked at: a switch, for sequences only. A new sequence is seen at its end.
function chooseSteps() {
  const box = byId('steps');
  const count = isSequence() ? shown.payload?.length ?? shown.messages.at(-1).place.step : 0;
  box.hidden = count < 2;
  if (box.dataset.count !== String(count)) makeSteps(box, count);
  if (!count || wantedStep === null) return;
  const wanted = box.querySelector(`input[value="${CSS.escape(wantedStep || count)}"]`);
  if (wanted) wanted.checked = true;
  wantedStep = null;
}

/** The notification after which the room is looked at, if it is not the last. */
export function step() {
  const chosen = choice('steps');
  return byId('steps').hidden || chosen === byId('steps').dataset.count ? '' : chosen;
}

/** The same from an address, which may name none. */
export function restoreStep(wanted) {
  wantedStep = wanted ?? '';
}

function makeSteps(box, count) {
  box.dataset.count = count;
  const labels = Array.from({ length: count }, (_, index) => {
    const label = element('label', '', `${index + 1}`);
    const input = element('input', '');
    Object.assign(input, { type: 'radio', name: 'steps', value: index + 1, checked: index + 1 === count });
    input.setAttribute('aria-label', `After notification ${index + 1}`);
    label.prepend(input);
    return label;
  });
  box.replaceChildren(box.querySelector('legend'), element('span', 'steps-name', 'After notification'), ...labels);
}

function content({ body, formatted_body: formatted, msgtype, mentions }) {
  const made = { msgtype, body, 'm.mentions': mentions };
  return formatted ? { ...made, format: 'org.matrix.custom.html', formatted_body: formatted } : made;
}

function push() {
  if (isSequence()) return pushes();
  const [first, ...others] = shown.messages;
  if (!first) return;
  const silent = shown.messages.every((message) => message.msgtype === 'm.notice');
  byId('push').dataset.state = silent ? 'silent' : 'rings';
  byId('push-body').textContent = first?.body ?? '';
  const told = silent ? 'Silent: an m.notice never notifies.' : 'Notifies by the default push rules.';
  byId('push-hint').textContent = others.length ? `${told} ${others.length} more follow.` : told;
}

// Edits never notify, nor do notices: the lock screen has what notified last.
function pushes() {
  const rings = shown.messages.filter(({ msgtype, event }) => msgtype !== 'm.notice' && event['m.relates_to']?.rel_type !== 'm.replace');
  byId('push').dataset.state = rings.length ? 'rings' : 'silent';
  byId('push-body').textContent = (rings.at(-1) ?? shown.messages[0]).body;
  const times = rings.length === 1 ? 'One of' : `${rings.length} of`;
  byId('push-hint').textContent = `${times} ${shown.messages.length} events notify; this is the last of them. Edits and notices are silent.`;
}

/** Shows the text that is chosen: the event, the plain body, the Markdown, or the notification. */
export function source() {
  if (!shown) return;
  const join = (pick) => shown.messages.map(pick).join('\n\n');
  const texts = {
    event: () => join((message) => JSON.stringify(message.event ?? content(message), null, 2)),
    body: () => join((message) => message.body),
    markdown: () => shown.markdown,
    payload: () => JSON.stringify(shown.payload, null, 2) ?? '',
  };
  byId('source-text').textContent = texts[choice('source')]();
}
