// Whether a body and a template are made for each other. Grafana and Alertmanager post `alerts`; templates that read `payload` are
// for everything else.

import * as selection from './selection.js';

const FOR_PROGRAMS = 'webhook';
let fallback = 'alert';

/** Tells the relay's default template. */
export function setDefault(name) {
  fallback = name;
}

export function isOfAlerts(body) {
  const { alerts } = body ?? {};
  return Array.isArray(alerts) && alerts.length > 0 && alerts.every((one) => one?.labels && one.status);
}

/** Why a body is not for a template, and which one is for it: `{ text, template }`; `null` where they fit. */
export function misfit(body, name = selection.name()) {
  if (isOfAlerts(body)) {
    if (!selection.readsPayload(name)) return null;
    const template = selection.readsPayload(fallback) ? 'alert' : fallback;
    return { text: `This is a notification of Grafana or Alertmanager. The template \`${name}\` is for bodies of other programs.`, template };
  }
  if (selection.readsPayload(name)) return null;
  const what = Array.isArray(body?.alerts)
    ? 'This body has `alerts`, but not as Grafana or Alertmanager post them: each has a `status` and `labels`.'
    : 'This body is not from Grafana or Alertmanager.';
  return { text: `${what} The template \`${name}\` cannot read it.`, template: FOR_PROGRAMS };
}
