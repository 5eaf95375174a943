// Events put together as a Matrix client does: edits into their original, lines into their thread, reactions under their
// message, deleted messages gone. An edit counts only from the author of its original, and the newest wins.

import { bodyOf, clock, element, messageItem } from './message.js';

/**
 * A room's messages. `place` puts a new one, as an item of a list, into the room; `continues` says whether it goes on where
 * the one before ended; `tools` makes what stands beside it.
 */
export class Conversation {
  constructor({ place, continues, tools }) {
    this.place = place;
    this.continues = continues;
    this.tools = tools;
    this.known = new Map();
  }

  clear() {
    this.known.clear();
  }

  /** Takes in an event; says whether something in the room has changed. One that is there already changes nothing. */
  add({ event, name }) {
    const relation = event.content['m.relates_to'] ?? {};
    const target = this.known.get(relation.event_id);
    if (event.type === 'm.room.redaction') return this.remove(event.content.redacts ?? event.redacts);
    if (this.known.has(event.event_id) || event.unsigned?.redacted_because) return false;
    if (event.type === 'm.reaction') return target ? react(target, event, relation.key) : false;
    if (relation.rel_type === 'm.replace') return target ? edit(target, event) : false;
    if (relation.rel_type === 'm.thread' && target) return this.line(target, event, name);
    const message = this.message(event, name, Boolean(this.continues?.(event)));
    const answered = this.known.get(relation['m.in_reply_to']?.event_id);
    if (answered && !relation.rel_type) message.item.querySelector('.body').before(quote(answered));
    this.place(message.item, event);
    return true;
  }

  message(event, name, continued) {
    const item = messageItem(event, name, continued);
    item.append(element('div', 'below'));
    const message = { event, name, item, newest: event, edits: 0, reactions: new Map(), lines: 0 };
    if (this.tools) item.append(this.tools(message));
    this.known.set(event.event_id, message);
    return message;
  }

  line(root, event, name) {
    root.thread ??= thread(root.item);
    const line = this.message(event, name, true);
    line.root = root;
    root.thread.list.append(line.item);
    root.lines += 1;
    count(root);
    return true;
  }

  remove(eventId) {
    const message = this.known.get(eventId);
    if (!message) return false;
    message.item.remove();
    return true;
  }
}

function edit(message, event) {
  const content = event.content['m.new_content'];
  if (!content || event.sender !== message.event.sender) return false;
  message.edits += 1;
  if (event.origin_server_ts < message.newest.origin_server_ts) return false;
  message.newest = event;
  message.item.querySelector('.body').replaceWith(bodyOf(content));
  message.item.classList.toggle('notice', content.msgtype === 'm.notice');
  message.mark ??= message.item.querySelector('.below').appendChild(element('span', 'edited'));
  const times = message.edits === 1 ? 'edited' : `edited ${message.edits} times`;
  message.mark.textContent = `(${times}, last at ${clock(new Date(event.origin_server_ts))})`;
  flash(message.item);
  return true;
}

function react(message, event, key) {
  const people = message.reactions.get(key) ?? new Set();
  people.add(event.sender);
  message.reactions.set(key, people);
  message.chips ??= message.item.querySelector('.below').appendChild(element('span', 'reactions'));
  const chips = [...message.reactions].map(([emoji, who]) => {
    const chip = element('span', 'reaction', `${emoji} ${who.size}`);
    chip.title = [...who].join(', ');
    return chip;
  });
  message.chips.replaceChildren(...chips);
  flash(message.item);
  return true;
}

function thread(item) {
  const box = element('details', 'thread');
  box.open = true;
  const summary = element('summary', '');
  const list = element('ol', 'lines');
  box.append(summary, list);
  item.querySelector('.below').after(box);
  return { summary, list };
}

function count(root) {
  root.thread.summary.textContent = root.lines === 1 ? 'Thread · 1 line' : `Thread · ${root.lines} lines`;
}

function quote(answered) {
  const first = (answered.newest.content['m.new_content'] ?? answered.newest.content).body.split('\n')[0];
  const box = element('p', 'quote', `in reply to: ${first}`);
  return box;
}

// What changes in place is easily missed.
function flash(item) {
  item.classList.remove('changed');
  void item.offsetWidth;
  item.classList.add('changed');
}
