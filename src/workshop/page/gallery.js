// Templates to begin with: those of the relay and those of the cookbook, each with what it makes of a notification.

import { ask } from './api.js';
import { dialog } from './dialogs.js';
import { element, messageItem } from './message.js';

const byId = (id) => document.getElementById(id);
const SENDER = '@grafana:example.org';
const NAME = /^[a-z0-9][a-z0-9_-]*$/;

/**
 * `templates` and `recipes` tell what there is, `show(name)` what a template is shown with; `edit(name)` opens a template, `create(name, text)` a new one,
 * and `exists(name)` says whether there is one.
 */
export function wire({ templates, recipes, show, edit, create, exists }) {
  const box = dialog('gallery', () => {
    byId('gallery-wrong').textContent = '';
    byId('new-name').value = free(exists);
    const own = templates().map((entry) => ({
      title: entry.name, lead: entry.builtin ? 'built in' : 'in your folder', name: entry.name, text: entry.text,
      request: { template: entry.name, source: entry.text, ...(isRoot(entry.name) ? show(entry.name) : { sequence: ['firing', 'resolved'] }) },
    }));
    const others = (all) => all.map((recipe) => ({
      title: recipe.title, lead: `from the cookbook, with ${recipe.sample}`, text: recipe.text,
      request: { template: 'recipe', source: recipe.text, sample: recipe.sample },
    }));
    fill(own);
    recipes().then((all) => fill([...own, ...others(all)])).catch((error) => { byId('gallery-wrong').textContent = error.message; });
  });

  let watched = null;

  function fill(cards) {
    watched?.disconnect();
    const seen = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        if (!isIntersecting) continue;
        seen.unobserve(target);
        picture(target, cards[Number(target.dataset.index)].request);
      }
    }, { root: box, rootMargin: '200px' });
    watched = seen;
    byId('cards').replaceChildren(...cards.map((one, index) => card(one, index)));
    for (const list of byId('cards').querySelectorAll('.timeline')) seen.observe(list);
  }

  function card({ title, lead, name, text }, index) {
    const made = element('article', 'pick');
    const list = element('ol', 'timeline');
    list.dataset.index = index;
    const does = element('p', 'does');
    if (name) does.append(button('Edit', `Edit the template ${name}`, () => { box.close(); edit(name); }));
    does.append(button('Use', `Make a new template of: ${title}`, () => use(text)));
    made.append(element('h3', '', title), element('p', 'hint', lead), list, does);
    return made;
  }

  function use(text) {
    const name = byId('new-name').value.trim();
    const wrong = !NAME.test(name) ? 'A name has small letters, digits, - and _.' : exists(name) ? `There is a template ${name} already.` : '';
    byId('gallery-wrong').textContent = wrong;
    if (wrong) return byId('new-name').focus();
    box.close();
    return create(name, text);
  }
}

// What stands in a thread, or for many messages, is no message of one notification.
const isRoot = (name) => !['update', 'digest'].includes(name);

function free(exists) {
  for (let number = 1; ; number += 1) {
    const name = number === 1 ? 'mine' : `mine-${number}`;
    if (!exists(name)) return name;
  }
}

function button(text, label, does) {
  const made = element('button', 'quiet', text);
  made.type = 'button';
  made.setAttribute('aria-label', label);
  made.addEventListener('click', does);
  return made;
}

async function picture(list, request) {
  try {
    const { messages } = await ask('preview', { method: 'POST', body: request });
    // Of a sequence the line that it adds, which is what its template writes.
    const shown = request.sequence ? messages.filter(({ event }) => event['m.relates_to']?.rel_type !== 'm.replace').slice(-1) : messages.slice(0, 1);
    for (const { event } of shown) list.append(messageItem({ sender: SENDER, origin_server_ts: Date.now(), content: event }, 'Grafana', false));
    for (const link of list.querySelectorAll('a, [tabindex], summary')) link.tabIndex = -1;
  } catch (error) {
    list.append(element('li', 'none', error.message));
  }
}
