// The preview: the newest answer of the relay beside its remarks, or what is shown in its place.

import { Refused } from './api.js';
import * as selection from './selection.js';
import { refused, settle } from './instead.js';
import * as notification from './notification.js';
import { showNone, showRemarks } from './remarks.js';
import { Renderer } from './render.js';
import * as result from './result.js';
import { trouble } from './trouble.js';

const byId = (id) => document.getElementById(id);
// The newest answer, with what was asked and what it is about.
let last = null;
let page;

const renderer = new Renderer({
  show(answer, sent) {
    trouble('preview', null);
    last = { answer, sent, value: notification.value(), body: notification.body() };
    draw(settle(answer, sent, last.body), sent);
  },
  fail(error, sent) {
    const instead = error instanceof Refused ? refused(error, sent, notification.body()) : null;
    trouble('preview', instead ? null : error);
    last = null;
    if (instead) draw(instead, sent);
    else byId('result').setAttribute('aria-busy', 'false');
  },
});

/**
 * `editor` holds the text and `request` asks for it, `open` opens a template, `goTo` a line of a file; `drawn` is called when something
 * else is seen.
 */
export function wire(of) {
  page = of;
}

/** Asks for the preview, after a moment or at once. */
export function render(wait) {
  byId('result').setAttribute('aria-busy', 'true');
  renderer.soon(page.request, wait);
}

/** Comes back when the newest text was judged. */
export const settled = () => renderer.settled();

/** Whether the draft is what is seen. */
export const isShown = () => Boolean(last && !last.answer.stands_in);

/** The notification has been loaded: whether it is for the template can only be said now. */
export function hasBody(body) {
  result.setPayload(body);
  if (!last || last.body || last.value !== notification.value()) return;
  last.body = body;
  if (last.answer.stands_in) draw(settle(last.answer, last.sent, body), last.sent);
}

function draw({ answer, note, isJudged }, sent) {
  result.show(answer, notification.body(), note, (name) => {
    page.open(name);
    // The button that was pressed is gone.
    byId('result').focus();
  });
  if (selection.fileOf(sent) === selection.path()) {
    if (isJudged) showRemarks(answer.diagnostics, selection.path(), page.editor, page.goTo);
    else showNone(selection.path(), page.editor, page.goTo);
  }
  byId('side-see').dataset.state = byId('verdict').dataset.state;
  page.drawn();
}
